//! The records on their way to one sink: a bounded queue between the loop, which never waits, and the sink's thread.
//!
//! A queue that is full makes room by leaving out its oldest record that is measured again and again (collections, statistics,
//! memory); only if there is none, its oldest record of any type. So verdicts and ends outlive any number of collections, the last
//! records outlive all before them, and `bye`, which is the very last, is never left out. What was left out is counted.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::report::{
    record::{Body, Missed, Record},
    time::Time,
};

/// Records that may wait for one sink: some seconds of a storm of collections. A record takes about half a kilobyte, one with
/// stacks some kilobytes, and several sinks share it.
pub(super) const CAPACITY: usize = 4096;

/// What comes next for a sink.
#[derive(Debug)]
pub(super) enum Next {
    /// A record.
    Record(Arc<Record>),
    /// No record came for a while.
    Nothing,
    /// No record will come.
    End,
}

/// How far a sink is.
#[derive(Debug, Default)]
pub(super) enum Stage {
    /// It takes records.
    #[default]
    Runs,
    /// It takes records, and its user wants to quit.
    WantsToQuit,
    /// It has written everything that was not left out.
    Finished,
    /// It could not go on.
    Failed(io::Error),
}

/// The queue of one sink.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Both in the order of their numbers, which is that in which they came.
    periodic: VecDeque<(u64, Arc<Record>)>,
    others: VecDeque<(u64, Arc<Record>)>,
    count: u64,
    is_closed: bool,
    missed: Gap,
    stage: Stage,
}

/// Records that were left out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gap {
    /// How many.
    pub(super) records: u64,
    /// When the first and the last of them happened.
    span: Option<(Time, Time)>,
}

impl Gap {
    fn add(&mut self, ts: Time) {
        self.records += 1;
        let (first, last) = self.span.unwrap_or((ts, ts));
        self.span = Some((first.min(ts), last.max(ts)));
    }

    /// As a record's body, if anything was left out of the `output` of that name.
    pub(super) fn body(self, output: &str) -> Option<Body> {
        let (from, to) = self.span?;
        Some(Body::Missed(Missed { output: output.to_owned(), records: self.records, from, to }))
    }
}

impl Queue {
    /// Adds a record. Never waits.
    pub(super) fn push(&self, record: Arc<Record>) {
        let mut state = self.lock();
        state.push(record);
        self.changed.notify_all();
    }

    /// Waits for the next record, for `patience` at most if there is one.
    pub(super) fn next(&self, patience: Option<Duration>) -> Next {
        let waits = |state: &mut State| state.is_empty() && !state.is_closed;
        let mut state = self.lock();
        state = match patience {
            Some(patience) => {
                let waited = self.changed.wait_timeout_while(state, patience, waits);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner),
        };
        match state.pop() {
            Some(record) => Next::Record(record),
            None if state.is_closed => Next::End,
            None => Next::Nothing,
        }
    }

    /// No record follows.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Leaves out all that wait and are measured again and again: there is no time for them.
    pub(super) fn leave_periodic_out(&self) {
        let mut state = self.lock();
        while state.leave_periodic_out() {}
    }

    /// The sink has come to `stage`.
    pub(super) fn set_stage(&self, stage: Stage) {
        self.lock().stage = stage;
        self.changed.notify_all();
    }

    /// Whether the sink's user has asked to quit since this was asked last.
    pub(super) fn take_wish_to_quit(&self) -> bool {
        let mut state = self.lock();
        let wants = matches!(state.stage, Stage::WantsToQuit);
        if wants {
            state.stage = Stage::Runs;
        }
        wants
    }

    /// Asks `question` of the sink's stage and of what it misses.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&Stage, Gap) -> T) -> T {
        let state = self.lock();
        question(&state.stage, state.missed)
    }

    /// Waits until the sink is through, or until `deadline`; whether it is.
    pub(super) fn wait_for_end(&self, deadline: Instant) -> bool {
        let patience = deadline.saturating_duration_since(Instant::now());
        let state = self.changed.wait_timeout_while(self.lock(), patience, |state| !state.is_over());
        state.unwrap_or_else(PoisonError::into_inner).0.is_over()
    }

    /// Records that wait.
    pub(super) fn waiting(&self) -> usize {
        self.lock().len()
    }

    /// A panic elsewhere leaves counters and records, which are right after each step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, record: Arc<Record>) {
        if self.is_over() {
            self.missed.add(record.ts);
            return;
        }
        if self.len() >= CAPACITY && !self.leave_periodic_out() {
            self.leave_other_out();
        }
        let queue = if record.body.is_periodic() { &mut self.periodic } else { &mut self.others };
        queue.push_back((self.count, record));
        self.count += 1;
    }

    fn pop(&mut self) -> Option<Arc<Record>> {
        let number = |queue: &VecDeque<(u64, _)>| queue.front().map_or(u64::MAX, |(number, _)| *number);
        let first =
            if number(&self.periodic) < number(&self.others) { &mut self.periodic } else { &mut self.others };
        first.pop_front().map(|(_, record)| record)
    }

    /// Leaves out the oldest record that is measured again and again, if there is one.
    fn leave_periodic_out(&mut self) -> bool {
        let Some((_, record)) = self.periodic.pop_front() else { return false };
        self.missed.add(record.ts);
        true
    }

    fn leave_other_out(&mut self) {
        if let Some((_, record)) = self.others.pop_front() {
            self.missed.add(record.ts);
        }
    }

    const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Finished | Stage::Failed(_))
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.periodic.len() + self.others.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::{End, Loss, Memory, SCHEMA};

    fn record(ms: i64, body: Body) -> Arc<Record> {
        Arc::new(Record { schema: SCHEMA, ts: Time::from_unix_ms(ms), subject: None, body })
    }

    fn memory(ms: i64) -> Arc<Record> {
        record(ms, Body::Memory(Box::<Memory>::default()))
    }

    fn end(ms: i64) -> Arc<Record> {
        record(ms, Body::End(End::Exec))
    }

    fn filled(records: impl IntoIterator<Item = Arc<Record>>) -> Queue {
        let queue = Queue::default();
        for record in records {
            queue.push(record);
        }
        queue
    }

    /// The times of all records that wait.
    fn drain(queue: &Queue) -> Vec<i64> {
        queue.close();
        let next = || match queue.next(None) {
            Next::Record(record) => Some(record.ts.unix_ms()),
            Next::Nothing | Next::End => None,
        };
        std::iter::from_fn(next).collect()
    }

    fn missed(queue: &Queue) -> Option<Body> {
        queue.ask(|_, gap| gap.body("a file"))
    }

    const LIMIT: i64 = CAPACITY.cast_signed() as i64;

    #[test]
    fn records_come_out_in_the_order_they_went_in() {
        let queue = filled([memory(1), end(2), memory(3), memory(4), end(5)]);
        assert_eq!(drain(&queue), [1, 2, 3, 4, 5]);
        assert_eq!(missed(&queue), None);
    }

    #[test]
    fn what_is_measured_again_makes_room_for_what_is_said_once() {
        let queue = Queue::default();
        queue.push(end(0));
        (1..LIMIT).for_each(|ms| queue.push(memory(ms)));
        queue.push(end(LIMIT));
        queue.push(memory(LIMIT + 1));
        assert_eq!(drain(&queue), [0].into_iter().chain(3..=LIMIT + 1).collect::<Vec<_>>());
        let (from, to) = (Time::from_unix_ms(1), Time::from_unix_ms(2));
        let expected = Missed { output: "a file".to_owned(), records: 2, from, to };
        assert_eq!(missed(&queue), Some(Body::Missed(expected)));
    }

    #[test]
    fn memory_is_bounded_whatever_the_records_and_the_last_stay() {
        let queue = filled((0..2 * LIMIT).map(end));
        assert_eq!(drain(&queue), (LIMIT..2 * LIMIT).collect::<Vec<_>>());
    }

    #[test]
    fn where_time_is_short_only_what_is_said_once_stays() {
        let loss = record(3, Body::Loss(Loss::default()));
        let queue = filled([memory(1), end(2), loss, end(4)]);
        queue.leave_periodic_out();
        assert_eq!(drain(&queue), [2, 4]);
    }

    #[test]
    fn a_sink_that_failed_takes_nothing_and_it_is_counted() {
        let queue = Queue::default();
        queue.set_stage(Stage::Failed(io::ErrorKind::StorageFull.into()));
        queue.push(end(1));
        assert_eq!((queue.waiting(), queue.ask(|_, gap| gap.records)), (0, 1));
    }
}

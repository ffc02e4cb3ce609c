//! What the records so far add up to, in bounded memory: a fold, without I/O and without a clock of its own.
//!
//! Bounds: processes that are alive, plus [`MAX_ENDED`]; for each its living isolates, plus a few that are gone; for
//! each of those a history of fixed size.

pub(crate) mod history;
pub(crate) mod isolate;
pub(crate) mod target;

use std::collections::BTreeMap;

use super::{
    record::{Body, Bye, Own, Record, Subject},
    time::Time,
};
use target::Target;

/// How many processes that are gone are still shown. The most alarming are kept.
pub const MAX_ENDED: usize = 64;

/// Everything that is known.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// When the first record came.
    pub started: Option<Time>,
    /// Time of the latest record or tick.
    pub now: Time,
    /// The processes.
    pub targets: BTreeMap<Subject, Target>,
    /// Processes that are gone and no longer kept.
    pub forgotten: usize,
    /// The last record, once it came.
    pub bye: Option<Bye>,
    /// What watching cost us so far, if somebody says so.
    pub own: Option<Own>,
}

impl State {
    /// Takes the next record.
    pub fn record(&mut self, record: &Record) {
        self.tick(record.ts);
        self.started.get_or_insert(record.ts);
        if let Body::Bye(bye) = &record.body {
            self.own = Some(bye.own);
            self.bye = Some(bye.clone());
        }
        let Some(subject) = record.subject else { return };
        self.targets
            .entry(subject)
            .or_insert_with(|| Target::new(subject, record.ts))
            .record(record.ts, &record.body);
        if matches!(record.body, Body::End(_)) {
            self.forget();
        }
    }

    /// It is `now`. Time does not run backwards.
    pub fn tick(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    fn forget(&mut self) {
        let ended = self.targets.values().filter(|target| target.ended.is_some());
        if ended.clone().count() <= MAX_ENDED {
            return;
        }
        if let Some(least) =
            ended.min_by_key(|target| (target.alarm(), target.last_seen)).map(|target| target.subject)
        {
            self.targets.remove(&least);
            self.forgotten += 1;
        }
    }

    /// The processes, the most alarming first; among equals the ones that are alive, then by pid.
    #[must_use]
    pub fn by_trouble(&self) -> Vec<&Target> {
        let mut targets: Vec<_> = self.targets.values().collect();
        targets.sort_by_key(|target| {
            (std::cmp::Reverse(target.alarm()), target.ended.is_some(), target.subject)
        });
        targets
    }

    /// Seconds since the first record.
    #[must_use]
    pub fn watched_s(&self) -> f64 {
        self.started.map_or(0.0, |started| seconds_between(started, self.now))
    }
}

/// Seconds from `earlier` to `later`; 0 if they are the other way round.
#[must_use]
pub fn seconds_between(earlier: Time, later: Time) -> f64 {
    later.unix_ms().saturating_sub(earlier.unix_ms()).max(0) as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record::{End, Hello, SCHEMA};

    fn state(pids: impl IntoIterator<Item = u32>) -> State {
        let mut state = State::default();
        for pid in pids {
            let subject = Some(Subject { pid, start_time: Time::from_unix_ms(0) });
            let ts = Time::from_unix_ms(i64::from(pid) * 1_000);
            for body in [Body::Hello(Box::default() as Box<Hello>), Body::End(End::Exec)] {
                state.record(&Record { schema: SCHEMA, ts, subject, body });
            }
        }
        state
    }

    #[test]
    fn the_oldest_of_the_gone_is_forgotten() {
        let state = state(1..=70);
        assert_eq!((state.targets.len(), state.forgotten), (MAX_ENDED, 6));
        assert_eq!(state.targets.keys().map(|subject| subject.pid).min(), Some(7));
        assert!((state.watched_s() - 69.0).abs() < f64::EPSILON);
    }

    #[test]
    fn time_does_not_run_backwards() {
        let mut state = state([5]);
        state.tick(Time::from_unix_ms(1));
        assert_eq!(state.now, Time::from_unix_ms(5_000));
    }
}

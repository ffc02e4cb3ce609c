//! A watch under way: what happens goes to the engine, what comes of it to the output.

use std::{pin::pin, time::Duration};

use tokio::time::sleep;

use super::{
    events::{Events, Input},
    launch::Launched,
    output::Output,
    profiles::Profiles,
    stop::Stop,
};
use crate::{engine::Engine, model::Mono, translate::Translator};

/// So many records of the kernel side are taken in at a time, some milliseconds' worth: what else has happened is looked at in
/// between.
const RECORDS_AT_ONCE: usize = 256;
/// Likewise of stacks: more than their ring buffer holds, as none may be left behind that was sent before a record.
const STACKS_AT_ONCE: usize = 4096;

/// So often records are taken in for all that are there to be in: 1 MiB of them are 11 thousand.
const ROUNDS: usize = 64;
/// How long the end waits for names of stacks: the last word is to be said within a second.
const NAMES_PATIENCE: Duration = Duration::from_millis(250);

/// A watch under way.
pub(super) struct Run {
    pub(super) engine: Engine,
    pub(super) events: Events,
    pub(super) translator: Translator,
    pub(super) launched: Option<Launched>,
    pub(super) since: Mono,
    pub(super) until_leak: bool,
    pub(super) profiles: Profiles,
}

impl Run {
    pub(super) async fn until_stopped(&mut self, output: &mut Output) -> Stop {
        loop {
            self.report(output);
            if self.until_leak && output.has_leak() {
                return Stop::Leak;
            }
            if self.is_over() {
                return Stop::TargetsGone;
            }
            let input = tokio::select! {
                input = self.events.next() => input,
                wanted = output.wants() => wanted,
            };
            if let Input::Stop(stop) = input {
                return stop;
            }
            self.take_in(input);
        }
    }

    pub(super) fn take_in(&mut self, input: Input) {
        match input {
            Input::Records => self.records(),
            Input::Stacks => self.stacks(),
            Input::Finished(finished) => {
                // What a process said last may still be in the ring buffer.
                if finished.is_an_end() {
                    self.all_records();
                }
                self.engine.finished(*finished);
            }
            Input::Interval => {
                // First what is there: losses are judged against what was seen.
                self.records();
                self.engine.interval();
            }
            Input::Stop(_) => {}
        }
    }

    /// The stack on which a collection began was sent before it ended.
    fn records(&mut self) {
        let Self { engine, events, .. } = self;
        let mut records = Vec::new();
        let more = events.ring.drain_some(RECORDS_AT_ONCE, |bytes| records.extend(engine.decode(bytes)));
        events.has_more(more);
        self.stacks();
        for event in records {
            self.engine.event(event);
        }
    }

    /// Everything that is in the ring buffer by now: whoever sends as fast as we read would keep us for good.
    pub(super) fn all_records(&mut self) {
        for _ in 0..ROUNDS {
            self.records();
            if !self.events.is_behind() {
                break;
            }
        }
    }

    /// Waits for names that are being read, for as long as the end of a watch may take.
    pub(super) async fn names_came(&mut self) {
        let mut patience = pin!(sleep(NAMES_PATIENCE));
        while self.engine.awaits_names() {
            tokio::select! {
                () = &mut patience => break,
                finished = self.events.finished() => self.engine.finished(finished),
            }
        }
    }

    fn stacks(&mut self) {
        let Self { engine, events, .. } = self;
        if let Some(ring) = &mut events.stacks {
            ring.drain_some(STACKS_AT_ONCE, |bytes| engine.stack(bytes));
        }
        engine.stacks_came();
    }

    /// Everything that has come of the watch so far goes out.
    pub(super) fn report(&mut self, output: &mut Output) {
        for outcome in self.engine.outcomes() {
            output.records(&self.translator.records(outcome));
        }
    }

    fn is_over(&mut self) -> bool {
        let ended = self.launched.as_mut().is_none_or(Launched::reap);
        ended && self.engine.is_over()
    }
}

//! Whom records are about, and how their times are told.

use crate::{
    engine::outcome,
    host::clock::WallClock,
    model::Mono,
    report::{
        record::{Body, Record, SCHEMA, Subject},
        time::Time,
    },
};

/// Whom records are about, and the calendar by which they are dated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    subject: Subject,
    clock: WallClock,
}

impl Stamp {
    pub(super) fn new(subject: outcome::Subject, clock: WallClock) -> Self {
        let subject = Subject { pid: subject.pid, start_time: Time::from_unix_ms(subject.start_unix_ms) };
        Self { subject, clock }
    }

    pub(super) fn record(&self, at: Mono, body: Body) -> Record {
        Record { schema: SCHEMA, ts: self.time(at), subject: Some(self.subject), body }
    }

    pub(super) fn time(&self, at: Mono) -> Time {
        Time::from_unix_ms(self.clock.unix_ms(at))
    }
}

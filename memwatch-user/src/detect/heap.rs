//! The verdict on one isolate's heap.

use std::time::Duration;

use super::Finding;
use crate::{model::Mono, series::Isolate};

/// What the series cannot tell.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// How long the isolate had existed when it was first seen: its process's age at the attach, zero if we saw its
    /// birth. A young process warms up; an old one has done so.
    pub age: Duration,
    /// Share of the isolate's collections that were lost, 0 to 1.
    pub lost_share: f64,
}

/// Judges one isolate's heap; keeps what a verdict needs to persist and to be taken back.
#[derive(Clone, Debug)]
pub struct HeapJudge {
    finding: Finding,
}

impl HeapJudge {
    /// A judge who has seen nothing yet; `since` is when the isolate was first seen.
    #[must_use]
    pub fn new(since: Mono) -> Self {
        Self { finding: Finding::nothing_yet(since) }
    }

    /// Judges `isolate` at `now`. Call it after every mark-compact and once at the end; in between nothing new can be
    /// said, and a second call without a new mark-compact changes no level.
    pub fn judge(&mut self, isolate: &Isolate, now: Mono, circumstances: &Circumstances) -> &Finding {
        let _ = (isolate, now, circumstances);
        &self.finding
    }

    /// The last verdict.
    #[must_use]
    pub fn finding(&self) -> &Finding {
        &self.finding
    }
}

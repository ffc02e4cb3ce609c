//! What a judge says.

use super::Exhaustion;
use crate::{
    model::Mono,
    vocabulary::{Level, Reason, Seen, Unit, reason::Course},
};

/// What a judge says of one series: one isolate's heap, or one kind of memory of a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How sure we are.
    pub level: Level,
    /// What the rate counts.
    pub unit: Unit,
    /// How fast it grows, in `unit` an hour; `None` while there are too few points to say.
    pub rate: Option<f64>,
    /// 95 % interval of the rate; an end is `None` where the data bound it no further.
    pub rate_interval: Option<[Option<f64>; 2]>,
    /// Since when the level holds.
    pub since: Mono,
    /// One minus the probability that chance alone shows this trend, 0 to 1; `None` without a trend.
    pub confidence: Option<f64>,
    /// How long until something is used up; `None` if it does not grow or no limit is known.
    pub exhaustion: Option<Exhaustion>,
    /// What was seen, which tests it passed and which it did not.
    pub reasons: Vec<Reason>,
}

impl Finding {
    /// Whether it goes by takes of the heap.
    #[must_use]
    pub(super) fn is_of_takes(&self) -> bool {
        self.reasons.iter().any(|reason| matches!(reason.seen, Seen::Course(Course { takes: Some(_), .. })))
    }

    /// What there is to say before anything was seen.
    #[must_use]
    pub fn nothing_yet(since: Mono) -> Self {
        Self {
            level: Level::Inconclusive,
            unit: Unit::Bytes,
            rate: None,
            rate_interval: None,
            since,
            confidence: None,
            exhaustion: None,
            reasons: Vec::new(),
        }
    }
}

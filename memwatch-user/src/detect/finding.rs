//! What a judge says.

use super::Exhaustion;
use crate::{
    model::Mono,
    vocabulary::{Level, Reason, Unit},
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
    /// Whether it goes by takes of a heap, and not by what V8's collections showed.
    pub of_takes: bool,
    /// What was seen, which tests it passed and which it did not.
    pub reasons: Vec<Reason>,
}

impl Finding {
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
            of_takes: false,
            reasons: Vec::new(),
        }
    }
}

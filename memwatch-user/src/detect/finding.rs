//! What a judge says.

use super::Exhaustion;
use crate::{model::Mono, units};

/// How sure we are, in rising order of alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Watched too short, or too much was lost.
    Inconclusive,
    /// It does not grow.
    Stable,
    /// It grows, and may well stop: a cache that fills, a warm-up.
    Growing,
    /// It grows the way leaks do; more evidence is needed.
    Suspect,
    /// It leaks.
    Leak,
}

impl Level {
    /// The level in words.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inconclusive => "inconclusive",
            Self::Stable => "stable",
            Self::Growing => "growing",
            Self::Suspect => "suspect",
            Self::Leak => "leak",
        }
    }
}

/// What the values of a series count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Whole things: descriptors, threads, isolates.
    Count,
}

impl Unit {
    /// `48.2 MB`, `312`.
    #[must_use]
    pub fn amount(self, value: f64) -> String {
        match self {
            Self::Bytes => units::size(value),
            Self::Count => units::count(value),
        }
    }

    /// `+11.7 MB/h`, `+28800/h`, from an amount an hour.
    #[must_use]
    pub fn rate(self, per_hour: f64) -> String {
        match self {
            Self::Bytes => units::rate(per_hour),
            Self::Count => units::count_rate(per_hour),
        }
    }
}

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
    /// In words: what was seen, which tests passed and which did not.
    pub evidence: Vec<String>,
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
            evidence: vec!["no mark-compact was seen yet".to_owned()],
        }
    }
}

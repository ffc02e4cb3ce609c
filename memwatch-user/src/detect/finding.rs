//! What a judge says.

use super::Exhaustion;
use crate::model::Mono;

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

/// A verdict on one isolate's heap: always of kind `js-heap`.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How sure we are.
    pub level: Level,
    /// How fast it grows, bytes an hour; `None` while there are too few mark-compacts to say.
    pub rate: Option<f64>,
    /// 95 % interval of the rate; an end is `None` where the data bound it no further.
    pub rate_interval: Option<[Option<f64>; 2]>,
    /// Since when the level holds.
    pub since: Mono,
    /// One minus the probability that chance alone shows this trend, 0 to 1; `None` without a trend.
    pub confidence: Option<f64>,
    /// How long until the heap's limit; `None` if it does not grow or the limit is not known.
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
            rate: None,
            rate_interval: None,
            since,
            confidence: None,
            exhaustion: None,
            evidence: vec!["no mark-compact was seen yet".to_owned()],
        }
    }
}

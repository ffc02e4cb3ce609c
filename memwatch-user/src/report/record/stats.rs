//! Statistics of an isolate.

use serde::{Deserialize, Serialize};

/// Statistics of one isolate after a mark-compact: node-memwatch's eight under its names, and ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Which isolate.
    pub isolate: u32,
    /// Mark-compacts.
    pub num_full_gc: u64,
    /// Every other collection.
    pub num_inc_gc: u64,
    /// As node-memwatch counts them: equal to `num_full_gc`.
    pub heap_compactions: u64,
    /// Percent by which the recent base is above the ancient one.
    pub usage_trend: f64,
    /// Heap after mark-compacts, smoothed over about ten of them.
    pub estimated_base: f64,
    /// Heap after this mark-compact.
    pub current_base: u64,
    /// Smallest heap after a mark-compact; null until the third.
    pub min: Option<u64>,
    /// Largest heap after a mark-compact; null until the third.
    pub max: Option<u64>,
    /// The heap's limit.
    pub heap_limit: Option<u64>,
    /// Percentiles of all pauses.
    pub gc_pause_us: Pauses,
    /// Share of time spent in collections since we are attached, 0 to 1.
    pub gc_share: f64,
}

/// Percentiles of pauses, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pauses {
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

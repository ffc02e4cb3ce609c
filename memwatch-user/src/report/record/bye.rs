//! The last record.

use serde::{Deserialize, Serialize};

/// The last record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bye {
    /// Why we stop: `interrupted`, `duration`, `targets-gone`, `quit`, `leak`, `output-closed`.
    pub reason: String,
    /// How long we watched.
    pub watched_s: f64,
    /// What it cost us.
    pub own: Own,
    /// What it cost the targets.
    pub target_overhead: Overhead,
}

/// Our own cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Own {
    /// CPU time.
    pub cpu_s: f64,
    /// Resident set size.
    pub rss: Option<u64>,
}

/// What watching cost the targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overhead {
    /// Percent of one CPU, from the number of hits and the measured cost of a hit.
    pub estimated_pct: Option<f64>,
    /// What it may be.
    pub budget_pct: f64,
    /// How often we backed off.
    pub backoffs: u64,
}

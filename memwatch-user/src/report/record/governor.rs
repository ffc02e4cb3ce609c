//! Decisions about what may be spent.

use serde::{Deserialize, Serialize};

/// A decision about what may be spent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Governor {
    /// What is being done.
    pub mode: String,
    /// Hits of our probes a second.
    pub hit_rate_per_s: f64,
    /// What they cost the target, percent of one CPU.
    pub cost_estimate_pct: f64,
    /// What they may cost.
    pub budget_pct: f64,
    /// Share of the events that is seen, 0 to 1.
    pub coverage: f64,
    /// Why.
    pub reason: String,
}

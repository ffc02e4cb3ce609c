//! Decisions about what watching may cost as records.

use crate::{
    engine::Rest,
    native::Decision,
    report::record::{self, Body},
    units::span,
};

/// A decision about what may be spent on native memory.
pub(super) fn decision(decision: Decision, budget_pct: f64) -> Body {
    Body::Governor(record::Governor {
        mode: decision.mode.to_owned(),
        hit_rate_per_s: decision.traps_per_s,
        cost_estimate_pct: decision.cost_pct,
        budget_pct,
        coverage: decision.coverage,
        reason: decision.reason,
    })
}

/// Probes on allocations that rest.
pub(super) fn rest(rest: &Rest, budget_pct: f64) -> Body {
    Body::Governor(record::Governor {
        mode: "stacks".to_owned(),
        hit_rate_per_s: rest.hits_per_s,
        cost_estimate_pct: 100.0 * rest.cost,
        budget_pct,
        coverage: rest.coverage,
        reason: format!(
            "sampling of JavaScript allocations exceeded the overhead limit: paused for {}",
            span(rest.lasts.as_secs_f64())
        ),
    })
}

//! A verdict as a record.

use super::Stamp;
use crate::{
    detect::Verdict,
    model::Mono,
    report::record::{self, Body},
    vocabulary::{Kind, Level, Unit},
};

pub(crate) fn verdict(stamp: &Stamp, verdict: &Verdict) -> Body {
    let finding = &verdict.finding;
    let exhaustion = finding.exhaustion;
    Body::Verdict(Box::new(record::Verdict {
        isolate: verdict.isolate,
        verdict: finding.level,
        kind: verdict.kind,
        rate_bytes_per_hour: finding.rate.filter(|_| finding.unit == Unit::Bytes),
        rate_per_hour: finding.rate,
        rate_unit: finding.unit,
        rate_interval: finding.rate_interval,
        since: stamp.time(finding.since),
        confidence: finding.confidence,
        time_to_exhaustion_s: exhaustion.map(|time| [Some(time.earliest_s), time.latest_s]),
        exhausts: exhaustion.map(|time| time.of),
        evidence: finding.evidence.clone(),
        sites: Vec::new(),
    }))
}

/// The verdict on a process of which no isolate was ever heard, and why.
pub(crate) fn silence(stamp: &Stamp, since: Mono, why: &str) -> Body {
    Body::Verdict(Box::new(record::Verdict {
        isolate: None,
        verdict: Level::Inconclusive,
        kind: Kind::None,
        rate_bytes_per_hour: None,
        rate_per_hour: None,
        rate_unit: Unit::Bytes,
        rate_interval: None,
        since: stamp.time(since),
        confidence: None,
        time_to_exhaustion_s: None,
        exhausts: None,
        evidence: vec![why.to_owned()],
        sites: Vec::new(),
    }))
}

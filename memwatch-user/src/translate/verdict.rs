//! Verdicts as records.

use super::{place, stamp::Stamp};
use crate::{
    detect,
    engine::outcome::{Attributed, LastVerdicts},
    model::Mono,
    report::record::{self, Body},
};

/// Verdicts as they stand before the end.
pub(super) fn last(stamp: &Stamp, last: LastVerdicts) -> Vec<Body> {
    let silence = last.silence.map(|(since, why)| silence(stamp, since, why));
    silence.into_iter().chain(verdicts(stamp, last.verdicts)).collect()
}

pub(super) fn verdicts(stamp: &Stamp, verdicts: Vec<Attributed>) -> Vec<Body> {
    verdicts.into_iter().map(|attributed| verdict(stamp, attributed)).collect()
}

fn verdict(stamp: &Stamp, attributed: Attributed) -> Body {
    let Attributed { verdict, sites } = attributed;
    let finding = &verdict.finding;
    let exhaustion = finding.exhaustion;
    Body::Verdict(Box::new(record::Verdict {
        isolate: verdict.isolate,
        verdict: level(finding.level),
        kind: kind(verdict.kind),
        rate_bytes_per_hour: finding.rate.filter(|_| finding.unit == detect::Unit::Bytes),
        rate_per_hour: finding.rate,
        rate_unit: unit(finding.unit),
        rate_interval: finding.rate_interval,
        since: stamp.time(finding.since),
        confidence: finding.confidence,
        time_to_exhaustion_s: exhaustion.map(|time| [Some(time.earliest_s), time.latest_s]),
        exhausts: exhaustion.map(|time| exhausts(time.of)),
        evidence: finding.evidence.clone(),
        sites: place::sites(sites),
    }))
}

/// The verdict on a process of which no isolate was ever heard, and why.
fn silence(stamp: &Stamp, since: Mono, why: &str) -> Body {
    Body::Verdict(Box::new(record::Verdict {
        isolate: None,
        verdict: record::Level::Inconclusive,
        kind: record::Kind::None,
        rate_bytes_per_hour: None,
        rate_per_hour: None,
        rate_unit: record::RateUnit::Bytes,
        rate_interval: None,
        since: stamp.time(since),
        confidence: None,
        time_to_exhaustion_s: None,
        exhausts: None,
        evidence: vec![why.to_owned()],
        sites: Vec::new(),
    }))
}

fn level(level: detect::Level) -> record::Level {
    match level {
        detect::Level::Inconclusive => record::Level::Inconclusive,
        detect::Level::Stable => record::Level::Stable,
        detect::Level::Growing => record::Level::Growing,
        detect::Level::Suspect => record::Level::Suspect,
        detect::Level::Leak => record::Level::Leak,
    }
}

fn kind(kind: detect::Kind) -> record::Kind {
    match kind {
        detect::Kind::JsHeap => record::Kind::JsHeap,
        detect::Kind::External => record::Kind::External,
        detect::Kind::Native => record::Kind::Native,
        detect::Kind::Fds => record::Kind::Fds,
        detect::Kind::Isolates => record::Kind::Isolates,
        detect::Kind::Fragmentation => record::Kind::Fragmentation,
        detect::Kind::Load => record::Kind::Load,
    }
}

fn unit(unit: detect::Unit) -> record::RateUnit {
    match unit {
        detect::Unit::Bytes => record::RateUnit::Bytes,
        detect::Unit::Count => record::RateUnit::Count,
    }
}

fn exhausts(resource: detect::Resource) -> record::Exhausts {
    match resource {
        detect::Resource::HeapLimit => record::Exhausts::HeapLimit,
        detect::Resource::Cgroup => record::Exhausts::Cgroup,
        detect::Resource::Host => record::Exhausts::Host,
        detect::Resource::Descriptors => record::Exhausts::FdLimit,
    }
}

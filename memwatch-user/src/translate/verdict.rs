//! Verdicts as records.

use super::{holder, place, stamp::Stamp};
use crate::{
    engine::outcome::{Attributed, LastVerdicts},
    model::Mono,
    report::{
        describe,
        record::{self, Body},
    },
    vocabulary::{Kind, Level, Reason, Seen, Unit},
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
    let Attributed { verdict, sites, holders } = attributed;
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
        evidence: evidence(&finding.reasons, finding.unit),
        reasons: finding.reasons.clone(),
        sites: place::sites(sites),
        holders: holder::holders(holders),
    }))
}

/// The verdict on a process of which no isolate was ever heard, and why.
fn silence(stamp: &Stamp, since: Mono, why: Seen) -> Body {
    let reasons = vec![Reason::plain(why)];
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
        evidence: evidence(&reasons, Unit::Bytes),
        reasons,
        sites: Vec::new(),
        holders: Vec::new(),
    }))
}

/// The reasons in words, as the records have them.
fn evidence(reasons: &[Reason], unit: Unit) -> Vec<String> {
    reasons.iter().map(|reason| describe::reason::sentence(reason, unit)).collect()
}

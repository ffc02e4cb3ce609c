//! What grew between takes, who holds it, and why.

use std::time::Instant;

use super::terms;
use crate::{
    heap::questions::{self, Census, Code, GrownCause, Trend, compare, trend},
    report::heap::record::{self, Cause, Change, Detail, Diff, GrownHolder, Source},
    units,
};

/// What is kept of a take: the copy itself goes before the next one is made.
pub(super) struct Taken {
    pub(super) census: Census,
    pub(super) source: Source,
    pub(super) at: Instant,
}

/// What grew from the first of `takes` to the last; `None` if there is none.
pub(super) fn diff(takes: &[Taken]) -> Option<Diff> {
    let (first, last) = (takes.first()?, takes.last()?);
    let change = compare(&first.census, &last.census);
    let trends = Trends::of(takes);
    let holders = change.holders.iter().map(|grown| holder(grown, last.census.held, &trends));
    let (own, program): (Vec<_>, Vec<_>) = holders.partition(|holder: &GrownHolder| holder.own);
    Some(Diff {
        source: last.source.clone(),
        before: numbers(first, first),
        between: takes[1..takes.len() - 1].iter().map(|take| numbers(first, take)).collect(),
        after: numbers(first, last),
        change: Change {
            size_bytes: change.bytes,
            size: terms::size(change.bytes),
            freed_nodes: None,
            allocated_nodes: None,
            nodes: change.nodes,
            details: change.details.iter().map(detail).collect(),
        },
        holders: program.into_iter().chain(own).collect(),
        causes: change.causes.iter().map(cause).collect(),
    })
}

fn numbers(first: &Taken, take: &Taken) -> record::Census {
    record::Census {
        nodes: take.census.nodes,
        size_bytes: take.census.bytes,
        size: units::bytes(take.census.bytes),
        after_s: take.at.duration_since(first.at).as_secs_f64(),
        taken: take.source.taken,
        pause_us: take.source.pause_us,
    }
}

fn detail(detail: &questions::Detail) -> Detail {
    let net = detail.count.unsigned_abs();
    Detail {
        what: detail.class.name.clone(),
        shape: detail.class.shape.clone(),
        kind: terms::kind(detail.class.kind),
        size_bytes: detail.bytes,
        size: terms::size(detail.bytes),
        allocated: (detail.count >= 0).then_some(net),
        freed: (detail.count < 0).then_some(net),
    }
}

fn holder(grown: &questions::GrownHolder, total: u64, trends: &Trends) -> GrownHolder {
    let Code { function, file, line } = grown.place.code();
    GrownHolder {
        share: if total == 0 { 0.0 } else { grown.bytes as f64 / total as f64 },
        bytes: grown.bytes,
        count: grown.count,
        class: terms::full_name(&grown.class),
        place: grown.place.to_string(),
        function,
        file,
        line,
        grown_bytes: grown.grown_bytes,
        grown_count: grown.grown_count,
        trend: trends.of_place(&grown.place),
        own: grown.is_own,
    }
}

fn cause(grown: &GrownCause) -> Cause {
    Cause {
        class: terms::full_name(&grown.class),
        path: grown.path.clone(),
        count: grown.count,
        bytes: grown.bytes,
        example: None,
    }
}

/// How places grew in the two intervals of three takes.
#[derive(Default)]
struct Trends {
    intervals: Vec<(questions::Change, f64)>,
}

impl Trends {
    fn of(takes: &[Taken]) -> Self {
        let interval = |pair: &[Taken]| {
            let seconds = pair[1].at.duration_since(pair[0].at).as_secs_f64();
            (compare(&pair[0].census, &pair[1].census), seconds)
        };
        Self { intervals: takes.windows(2).map(interval).collect() }
    }

    fn of_place(&self, place: &questions::Place) -> Option<String> {
        let [first, second] = &self.intervals[..] else { return None };
        let grown = |(change, seconds): &(questions::Change, f64)| {
            let holder = change.holders.iter().find(|holder| holder.place == *place);
            (holder.map_or(0, |holder| holder.grown_bytes), *seconds)
        };
        let trend = trend(grown(first), grown(second))?;
        Some(if trend == Trend::Steady { "steady" } else { "step" }.to_owned())
    }
}

//! One isolate of a target, and the judge of its heap.

use std::time::Duration;

use crate::{
    detect::{Circumstances, Finding, IsolateJudge},
    engine::{heaps::taken::Taken, outcome::Statistics},
    model::{Collection, GcKind, Mono},
    series::{self, MemwatchLeak},
};

/// One isolate.
pub(crate) struct Isolate {
    pub(crate) series: series::Isolate,
    judge: IsolateJudge,
    /// How old it was when it was first seen.
    age: Duration,
    /// Whether its heap was looked at: before its first mark-compact there is nothing to say.
    has_finding: bool,
}

impl Isolate {
    pub(crate) fn new(series: series::Isolate, age: Duration) -> Self {
        let judge = IsolateJudge::new(series.since);
        Self { series, judge, age, has_finding: false }
    }

    /// Takes in a collection, and after a mark-compact judges the heap: node-memwatch's statistics and its event.
    pub(crate) fn collection(
        &mut self,
        collection: &Collection,
        limit: Option<u64>,
        lost_share: f64,
    ) -> (Option<Statistics>, Option<MemwatchLeak>) {
        let leak = self.series.collection(collection, limit);
        self.has_finding |= self.judge.look(&self.series, collection.end);
        if collection.kind != GcKind::MarkCompact {
            return (None, None);
        }
        let statistics = self.statistics(collection.end);
        self.judge(collection.end, lost_share);
        (statistics, leak)
    }

    /// Takes in what a take of its heap found reachable, and judges the heap.
    pub(crate) fn take(&mut self, take: &Taken, bytes: u64, lost_share: f64) {
        self.series.take(take.at, bytes);
        self.judge.holders(take.held_share);
        self.judge(take.at, lost_share);
    }

    fn statistics(&self, now: Mono) -> Option<Statistics> {
        let series = &self.series;
        let (pauses, gc_share) = (series.pauses.percentiles(), series.gc_share(now));
        series.memwatch.stats().map(|memwatch| Statistics { memwatch, pauses, gc_share })
    }

    pub(crate) fn judge(&mut self, now: Mono, lost_share: f64) {
        let circumstances = Circumstances { age: self.age, lost_share };
        self.judge.judge(&self.series, now, &circumstances);
        self.has_finding = true;
    }

    /// What was found of its heap, with its serial number.
    pub(crate) fn finding(&self) -> Option<(u32, &Finding)> {
        self.has_finding.then(|| (self.series.serial, self.judge.finding()))
    }
}

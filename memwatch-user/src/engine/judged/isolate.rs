//! One isolate of a target, and the judge of its heap.

use std::time::Duration;

use crate::{
    detect::{Circumstances, Finding, HeapJudge},
    model::{Collection, GcKind, Mono},
    report::record::Body,
    series::Isolate,
    translate::{self, Stamp},
};

/// One isolate.
pub(crate) struct Judged {
    pub(crate) isolate: Isolate,
    judge: HeapJudge,
    /// How old it was when it was first seen.
    age: Duration,
    /// Whether its heap was looked at: before its first mark-compact there is nothing to say.
    has_finding: bool,
}

impl Judged {
    pub(crate) fn new(isolate: Isolate, age: Duration) -> Self {
        let judge = HeapJudge::new(isolate.since);
        Self { isolate, judge, age, has_finding: false }
    }

    /// Takes in a collection. What there is to say of it; the verdict is not among it.
    pub(crate) fn collection(
        &mut self,
        stamp: &Stamp,
        collection: &Collection,
        limit: Option<u64>,
        lost_share: f64,
    ) -> Vec<Body> {
        let leak = self.isolate.collection(collection, limit);
        let mut bodies = vec![translate::collection(&self.isolate, collection)];
        if collection.kind == GcKind::MarkCompact {
            let now = collection.end;
            let stats = self.isolate.memwatch.stats();
            bodies.extend(stats.map(|stats| translate::stats(&self.isolate, &stats, now)));
            bodies.extend(leak.map(|leak| translate::leak(stamp, &self.isolate, &leak)));
            self.judge(now, lost_share);
        }
        bodies
    }

    pub(crate) fn judge(&mut self, now: Mono, lost_share: f64) {
        let circumstances = Circumstances { age: self.age, lost_share };
        self.judge.judge(&self.isolate, now, &circumstances);
        self.has_finding = true;
    }

    /// What was found of its heap, with its serial number.
    pub(crate) fn finding(&self) -> Option<(u32, &Finding)> {
        self.has_finding.then(|| (self.isolate.serial, self.judge.finding()))
    }
}

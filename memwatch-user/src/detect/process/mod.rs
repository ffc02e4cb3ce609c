//! Verdicts on everything that a process holds: a judge a series ([`judges`]), then all of them together.

mod growth;
mod judge;
mod judges;
mod left;
mod level;
mod questions;
mod subject;

use judges::Judges;
use left::Left;

use super::{
    Circumstances, Finding, Kind, Level,
    kinds::{Claim, Verdict, reconcile},
};
use crate::{
    model::{Collection, Mono, Reading},
    series::{Isolates, ProcessSeries},
};

/// Judges one process. Feed it readings and collections, and ask it at each reading.
#[derive(Clone, Debug)]
pub struct ProcessJudge {
    series: ProcessSeries,
    left: Left,
    judges: Judges,
    /// Those that were ever worth telling, as they stand.
    verdicts: Vec<Verdict>,
    /// The heaps that they were reconciled with.
    heaps: Vec<(u32, Level, Mono)>,
}

impl Default for ProcessJudge {
    fn default() -> Self {
        Self::new()
    }
}

impl ProcessJudge {
    /// A judge who has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            series: ProcessSeries::default(),
            left: Left::default(),
            judges: Judges::new(),
            verdicts: Vec::new(),
            heaps: Vec::new(),
        }
    }

    /// Takes in a reading, and what the isolates hold at that moment.
    pub fn reading(&mut self, reading: &Reading, isolates: &Isolates) {
        self.series.reading(reading, isolates);
        self.left = Left::of(reading);
    }

    /// Takes in a collection, of any isolate and any kind.
    pub fn collection(&mut self, collection: &Collection) {
        self.series.collection(collection);
    }

    /// The series that the verdicts stand on.
    #[must_use]
    pub fn series(&self) -> &ProcessSeries {
        &self.series
    }

    /// The verdicts as they stand.
    #[must_use]
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// Judges the process at `now`, together with what was found of its `heaps`, each with its isolate's serial number.
    /// The age of `circumstances` is the process's at the first reading.
    ///
    /// Returns a verdict for each of `heaps`, which may be lower than its own finding, and one for each other kind that
    /// was ever worth telling: that grows, or did. Call it at each reading and after each mark-compact; it costs next to
    /// nothing where there is nothing new.
    pub fn judge(
        &mut self,
        now: Mono,
        heaps: &[(u32, &Finding)],
        circumstances: &Circumstances,
    ) -> &[Verdict] {
        let looked = self.judges.judge(&self.series, now, circumstances, &self.left);
        let heaps_now: Vec<_> = heaps.iter().map(|(isolate, f)| (*isolate, f.level, f.since)).collect();
        if looked || heaps_now != self.heaps {
            self.heaps = heaps_now;
            self.reconcile(now, heaps);
        }
        &self.verdicts
    }

    fn reconcile(&mut self, now: Mono, heaps: &[(u32, &Finding)]) {
        let mut claims = self.judges.claims(&self.series);
        let in_heaps = self.series.heaps.buckets.closed();
        claims.extend(heaps.iter().map(|(isolate, finding)| Claim::of_heap(*isolate, finding, in_heaps)));
        reconcile(&mut claims);
        let all_memory = self.judges.rate_of_all_memory();
        for claim in &mut claims {
            self.left.forecast(claim, all_memory);
        }
        let told = std::mem::take(&mut self.verdicts);
        self.verdicts = claims.into_iter().filter_map(|claim| settled(claim.verdict, &told, now)).collect();
    }
}

/// The verdict, if it is worth telling: with the time since when its level holds, which for one that was lowered is not
/// its judge's.
fn settled(mut verdict: Verdict, told: &[Verdict], now: Mono) -> Option<Verdict> {
    let is_same = |other: &&Verdict| (other.isolate, other.kind) == (verdict.isolate, verdict.kind);
    let last = told.iter().find(is_same);
    if let Some(last) = last {
        let holds = last.finding.level == verdict.finding.level;
        verdict.finding.since = if holds { last.finding.since } else { now };
    }
    let is_worth_it = verdict.kind == Kind::JsHeap || verdict.finding.level >= Level::Growing;
    (is_worth_it || last.is_some()).then_some(verdict)
}

//! Verdicts on everything that a process holds: a judge a series ([`judges`]), then all of them together.

mod growth;
mod judge;
mod judges;
mod left;
mod level;
mod questions;
mod subject;

use std::time::Duration;

use judges::Judges;
use left::Left;

use super::{
    Circumstances, Finding, Kind, Level,
    kinds::{Claim, Verdict, books_of_heaps, reconcile},
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
    told: Vec<Told>,
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
            told: Vec::new(),
            heaps: Vec::new(),
        }
    }

    /// Takes in a reading, and what the isolates hold at that moment.
    pub fn reading(&mut self, reading: &Reading, isolates: &Isolates) {
        self.series.reading(reading, isolates);
        self.left = Left::of(reading);
    }

    /// Takes in what a take of the heaps found reachable.
    pub fn take(&mut self, at: Mono, isolates: &Isolates) {
        self.series.take(at, isolates);
    }

    /// Takes in a collection, of any isolate and any kind.
    pub fn collection(&mut self, collection: &Collection) {
        self.series.collection(collection);
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
        books_of_heaps(&mut claims, self.series.beside_malloc.buckets.closed());
        let ProcessSeries { heaps: collected, reachable, .. } = &self.series;
        claims.extend(heaps.iter().map(|(isolate, finding)| {
            let series = if finding.of_takes { reachable } else { collected };
            Claim::of_heap(*isolate, finding, series.buckets.closed())
        }));
        reconcile(&mut claims);
        let all_memory = self.judges.rate_of_all_memory();
        for claim in &mut claims {
            self.left.forecast(claim, all_memory);
        }
        let told = std::mem::take(&mut self.told);
        self.told = claims.into_iter().filter_map(|claim| settled(claim.verdict, &told, now)).collect();
        self.verdicts = self.told.iter().map(|told| told.verdict.clone()).collect();
    }
}

/// Growth that stops and comes back within this time has not stopped: what an allocator holds goes up and down.
const SETTLED: Duration = Duration::from_secs(60);

/// The verdict, if it is worth telling: with the time since when its level holds, which for one that was lowered is not
/// its judge's.
fn settled(mut verdict: Verdict, told: &[Told], now: Mono) -> Option<Told> {
    let is_same =
        |other: &&Told| (other.verdict.isolate, other.verdict.kind) == (verdict.isolate, verdict.kind);
    let last = told.iter().find(is_same);
    let is_worth_it = verdict.kind == Kind::JsHeap || verdict.finding.level >= Level::Growing;
    if !is_worth_it && last.is_none() {
        return None;
    }
    if let Some(last) = last.filter(|last| last.is_unsettled(&verdict, now)) {
        return Some(last.clone());
    }
    if let Some(last) = last {
        agree(&mut verdict.finding, &last.verdict.finding);
        let holds = last.verdict.finding.level == verdict.finding.level;
        verdict.finding.since = if holds { last.verdict.finding.since } else { now };
    }
    let grew = if verdict.finding.level >= Level::Growing { now } else { last.map_or(now, |last| last.grew) };
    Some(Told { verdict, grew })
}

/// An alarm that is kept for a while against what is seen now keeps the rate that it was made of.
fn agree(finding: &mut Finding, last: &Finding) {
    let grows = |finding: &Finding| finding.rate.is_some_and(|rate| rate > 0.0);
    if finding.level >= Level::Growing && last.level >= Level::Growing && !grows(finding) && grows(last) {
        (finding.rate, finding.rate_interval) = (last.rate, last.rate_interval);
        (finding.confidence, finding.exhaustion) = (last.confidence, last.exhaustion);
    }
}

/// A verdict as it was told last.
#[derive(Clone, Debug)]
struct Told {
    verdict: Verdict,
    /// When it last grew.
    grew: Mono,
}

impl Told {
    /// Whether it is too early to say that what was called growing no longer is.
    fn is_unsettled(&self, new: &Verdict, now: Mono) -> bool {
        let was_growing = self.verdict.finding.level == Level::Growing && new.kind != Kind::JsHeap;
        was_growing && new.finding.level < Level::Growing && now.since(self.grew) < SETTLED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Unit;

    fn verdict(kind: Kind, level: Level, rate: f64) -> Verdict {
        let finding = Finding { level, rate: Some(rate), unit: Unit::Bytes, ..Finding::nothing_yet(Mono(0)) };
        Verdict { isolate: None, kind, finding }
    }

    /// Levels and rates that are told at the given seconds.
    fn told(kind: Kind, claims: &[(u64, Level, f64)]) -> Vec<(Level, Option<f64>)> {
        let mut told: Vec<Told> = Vec::new();
        let tell = |&(at, level, rate): &(u64, Level, f64)| {
            told = settled(verdict(kind, level, rate), &told, Mono(at * 1_000_000_000)).into_iter().collect();
            told.first().map(|told| (told.verdict.finding.level, told.verdict.finding.rate))
        };
        claims.iter().filter_map(tell).collect()
    }

    #[test]
    fn growth_that_pauses_for_less_than_a_minute_has_not_stopped() {
        use Level::{Growing, Stable};
        let claims = [
            (10, Growing, 9.0),
            (20, Stable, -3.0),
            (50, Growing, 8.0),
            (60, Stable, -2.0),
            (120, Stable, -1.0),
        ];
        let expected = [(Growing, 9.0), (Growing, 9.0), (Growing, 8.0), (Growing, 8.0), (Stable, -1.0)];
        assert_eq!(told(Kind::Fragmentation, &claims), expected.map(|(level, rate)| (level, Some(rate))));
    }

    #[test]
    fn an_alarm_that_is_kept_against_what_is_seen_keeps_its_rate() {
        let claims = [(10, Level::Leak, 9.0), (20, Level::Leak, -3.0), (30, Level::Stable, -3.0)];
        let expected = [(Level::Leak, 9.0), (Level::Leak, 9.0), (Level::Stable, -3.0)];
        assert_eq!(told(Kind::JsHeap, &claims), expected.map(|(level, rate)| (level, Some(rate))));
    }

    #[test]
    fn what_never_grew_is_not_told() {
        assert_eq!(told(Kind::Native, &[(10, Level::Stable, 1.0)]), []);
    }
}

//! One isolate's heap, judged by what full collections left of it and by what takes of it found reachable: V8 decides when
//! it collects, and we when we read.

use super::{Circumstances, Finding, HeapJudge, Level, runaway};
use crate::{
    model::Mono,
    series::Isolate,
    vocabulary::{Reason, Seen},
};

/// A leak is growth that places of the program's own hold, at least this share of it.
const HELD: f64 = 0.5;

/// Judges by both.
#[derive(Clone, Debug)]
pub struct IsolateJudge {
    collections: HeapJudge,
    /// `None` before the first take.
    takes: Option<Box<HeapJudge>>,
    /// What takes amount to, given what holds the growth; `None` likewise.
    reachable: Option<Box<Finding>>,
    /// Which share of the growth is held by places of the program's own that grow on; `None` is not known.
    held_share: Option<f64>,
    /// `None` unless the heap runs full.
    runaway: Option<Box<Finding>>,
    /// Sizes at the last look at that.
    sizes: Option<f64>,
    since: Mono,
}

impl IsolateJudge {
    /// A judge who has seen nothing yet; `since` is when the isolate was first seen.
    #[must_use]
    pub fn new(since: Mono) -> Self {
        Self {
            collections: HeapJudge::new(since),
            takes: None,
            reachable: None,
            held_share: None,
            runaway: None,
            sizes: None,
            since,
        }
    }

    /// What is known of what holds the growth: the share of places of the program's own that grow on.
    pub fn holders(&mut self, held_share: Option<f64>) {
        self.held_share = held_share;
    }

    /// After a collection of any kind: looks, and says, whether the heap runs full.
    pub fn look(&mut self, isolate: &Isolate, now: Mono) -> bool {
        let newest = isolate.sizes.points().last().map(|point| point.0);
        if newest != self.sizes {
            self.sizes = newest;
            self.runaway = runaway::finding(isolate, now, self.runaway.as_deref()).map(Box::new);
        }
        self.runaway.is_some()
    }

    /// Judges at `now`: after a full collection, after a take, and at the end.
    pub fn judge(&mut self, isolate: &Isolate, now: Mono, circumstances: &Circumstances) {
        self.collections.judge(isolate, now, circumstances);
        if isolate.takes.is_some() {
            let takes = self.takes.get_or_insert_with(|| Box::new(HeapJudge::of_takes(self.since)));
            takes.holds(is_held(self.held_share), circumstances.age);
            // What takes show does not depend on which collections were seen.
            let found = takes.judge(isolate, now, &Circumstances { lost_share: 0.0, ..*circumstances });
            let is_known = self.reachable.as_ref().is_some_and(|last| last.level == Level::Leak);
            let found = if is_known { found.clone() } else { with_holders(found, self.held_share) };
            self.reachable = Some(Box::new(found));
        }
    }

    /// What both amount to.
    #[must_use]
    pub fn finding(&self) -> &Finding {
        let collections = self.collections.finding();
        let takes = self.reachable.as_deref();
        let found = takes.filter(|takes| is_better(takes.level, collections.level)).unwrap_or(collections);
        self.runaway.as_deref().filter(|runaway| runaway.level > found.level).unwrap_or(found)
    }
}

fn is_held(held_share: Option<f64>) -> bool {
    held_share.is_some_and(|share| share >= HELD)
}

/// What takes found, given what holds it: growth that no variable or property of the program holds is what it works on (a server's
/// open requests are in Node's own tables), or is scattered. It comes and goes with the load. What was once seen to be held is: takes
/// that miss a part of it take no alarm back.
fn with_holders(found: &Finding, held_share: Option<f64>) -> Finding {
    let mut finding = found.clone();
    if finding.level >= Level::Suspect {
        let is_held = is_held(held_share);
        finding.reasons.push(Reason::test(Seen::Held { held_share }, is_held));
        finding.level = if is_held { finding.level } else { Level::Growing };
    }
    finding
}

/// Whether takes that say `takes` know more than full collections that say `collections`. That nothing reachable grows
/// answers what merely grows; an alarm it does not take back.
fn is_better(takes: Level, collections: Level) -> bool {
    match takes {
        Level::Inconclusive => false,
        Level::Stable => collections < Level::Suspect,
        _ => takes >= collections,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        model::{Collection, GcKind},
        series::valleys::tests::mark_compact,
    };

    /// Levels at takes ten seconds apart of a heap that keeps 0.4 MiB a second, with the share of it that is known to be held.
    fn levels(shares: &[Option<f64>]) -> Vec<Level> {
        let circumstances = Circumstances { age: Duration::from_secs(3600), lost_share: 0.0 };
        let mut isolate = Isolate::new(1, 1, false, Mono(0), Some(4 << 30));
        let mut judge = IsolateJudge::new(Mono(0));
        let mut level = |(seconds, share): (u64, &Option<f64>)| {
            let at = Mono(seconds * 1_000_000_000);
            isolate.take(at, (14 << 20) + seconds * 419_430);
            judge.holders(*share);
            judge.judge(&isolate, at, &circumstances);
            judge.finding().level
        };
        (1..).map(|n| n * 10).zip(shares).map(&mut level).collect()
    }

    #[test]
    fn growth_that_the_program_holds_is_a_leak_and_stays_one() {
        let held = levels(&[Some(0.9); 8]);
        assert_eq!(held.last(), Some(&Level::Leak), "{held:?}");
        for share in [None, Some(0.1)] {
            let not_held = levels(&[share; 8]);
            assert!(not_held.iter().all(|level| *level <= Level::Growing), "{share:?}: {not_held:?}");
        }
        let missed = levels(&[[Some(0.9); 8], [Some(0.1); 8]].concat());
        assert!(missed[7..].iter().all(|level| *level == Level::Leak), "{missed:?}");
    }

    /// Levels at takes ten seconds apart that find 14 MiB each, while scavenges leave so many MiB.
    fn beside(scavenges: impl Fn(u64) -> u64) -> Vec<Level> {
        let circumstances = Circumstances { age: Duration::from_secs(3600), lost_share: 0.0 };
        let mut isolate = Isolate::new(1, 1, false, Mono(0), Some(4 << 30));
        let mut judge = IsolateJudge::new(Mono(0));
        let mut level = |n: u64| {
            let after = scavenges(n) << 20;
            let scavenge =
                Collection { kind: GcKind::Scavenge, ..mark_compact(n as f64 * 10.0, after, after) };
            isolate.collection(&scavenge, None);
            isolate.take(scavenge.end, 14 << 20);
            judge.judge(&isolate, scavenge.end, &circumstances);
            judge.finding().level
        };
        (1..=8).map(&mut level).collect()
    }

    #[test]
    fn nothing_is_stable_beside_what_v8_has_not_collected() {
        let level = beside(|_| 20);
        assert_eq!(level.last(), Some(&Level::Stable), "{level:?}");
        let rising = beside(|n| 20 + n);
        assert!(rising[4..].iter().all(|level| *level == Level::Inconclusive), "{rising:?}");
    }

    #[test]
    fn who_knows_more() {
        use Level::{Growing, Inconclusive, Leak, Stable, Suspect};
        for (takes, collections, expected) in [
            (Inconclusive, Inconclusive, false),
            (Inconclusive, Stable, false),
            (Stable, Inconclusive, true),
            (Stable, Growing, true),
            (Stable, Leak, false),
            (Growing, Stable, true),
            (Growing, Suspect, false),
            (Leak, Leak, true),
        ] {
            assert_eq!(is_better(takes, collections), expected, "{takes:?} beside {collections:?}");
        }
    }
}

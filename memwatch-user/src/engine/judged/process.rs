//! One process: what its collections and readings amount to. Owns what is known of its isolates; does no I/O.

use std::{collections::BTreeMap, time::Duration};

use super::isolate::Isolate;
use crate::{
    detect::{Circumstances, Kind, Level, ProcessJudge, Verdict},
    engine::{
        features::External,
        heaps::taken::Taken,
        outcome::{IsolateFacts, Shown},
    },
    heap::graph::Reachable,
    model::{Collection, GcKind, LimitParts, Mono, Reading},
    series,
    vocabulary::Seen,
};

/// One process.
pub(crate) struct Process {
    pid: u32,
    /// When its probes were live.
    pub(crate) since: Mono,
    /// How old it was then.
    age: Duration,
    /// How many semi-spaces the limit counts: a fact of V8's version and flags.
    semi_spaces: u64,
    external: External,
    judge: ProcessJudge,
    /// The level that was last reported of each kind.
    reported: BTreeMap<(Option<u32>, Kind), Level>,
    /// By address of the heap.
    isolates: BTreeMap<u64, Isolate>,
    serial: u32,
    /// Why no isolate was heard of, for as long as none was.
    silence: Seen,
    /// Share of collections that the kernel side lost, 0 to 1.
    pub(crate) lost_share: f64,
}

/// An isolate that is gone, with the last verdicts on it.
pub(crate) struct Gone {
    pub(crate) isolate: IsolateFacts,
    pub(crate) verdicts: Vec<Verdict>,
}

impl Process {
    /// `age` is how old it was at `since`.
    pub(crate) fn new(pid: u32, since: Mono, age: Duration, semi_spaces: u64, external: External) -> Self {
        Self {
            pid,
            since,
            age,
            semi_spaces,
            external,
            judge: ProcessJudge::new(),
            reported: BTreeMap::new(),
            isolates: BTreeMap::new(),
            serial: 0,
            silence: Seen::NoCollection,
            lost_share: 0.0,
        }
    }

    /// The same of a target whose collections cannot be seen.
    pub(crate) fn blind(self) -> Self {
        Self { silence: Seen::CollectionsHidden, ..self }
    }

    /// How many isolates are alive that we know of.
    pub(crate) fn isolate_count(&self) -> u64 {
        self.isolates.len() as u64
    }

    /// Addresses of their heaps.
    pub(crate) fn heaps(&self) -> Vec<u64> {
        self.isolates.keys().copied().collect()
    }

    /// The isolates that are alive.
    pub(crate) fn isolate_facts(&self) -> Vec<IsolateFacts> {
        self.isolates.values().map(|isolate| IsolateFacts::from(&isolate.series)).collect()
    }

    /// The serial number of the isolate whose heap that is.
    pub(crate) fn serial_of(&self, heap: u64) -> Option<u32> {
        self.isolates.get(&heap).map(|isolate| isolate.series.serial)
    }

    /// Takes in what was read of the process from outside.
    pub(crate) fn reading(&mut self, reading: &Reading) {
        let isolates = self.isolates.values().map(|isolate| &isolate.series).collect();
        self.judge.reading(reading, &isolates);
    }

    /// What was found of its heaps: the worst of them.
    pub(crate) fn heap_level(&self) -> Level {
        let levels = self.isolates.values().filter_map(Isolate::finding).map(|(_, finding)| finding.level);
        levels.max().unwrap_or(Level::Inconclusive)
    }

    /// Takes in what a take of its heaps found reachable: those of isolates that are known, with their serial numbers.
    pub(crate) fn take(&mut self, take: &Taken) -> Vec<(u32, Reachable)> {
        let lost_share = self.lost_share;
        let known = take.reachable.iter().filter_map(|heap| {
            let isolate = self.isolates.get_mut(&heap.heap)?;
            isolate.take(take, heap.bytes, lost_share);
            Some((isolate.series.serial, *heap))
        });
        let known: Vec<_> = known.collect();
        let isolates = self.isolates.values().map(|isolate| &isolate.series).collect();
        self.judge.take(take.at, &isolates);
        known
    }

    /// Verdicts whose level was not reported yet; those on `again` in any case: more is known than their level.
    pub(crate) fn news(&mut self, now: Mono, again: &[Kind]) -> Vec<Verdict> {
        self.reported.retain(|(_, kind), _| !again.contains(kind));
        let mut verdicts = self.verdicts(now);
        verdicts.retain(|verdict| {
            let level = verdict.finding.level;
            self.reported.insert((verdict.isolate, verdict.kind), level) != Some(level)
        });
        verdicts
    }

    /// The verdicts as they stand.
    pub(crate) fn last_verdicts(&mut self, now: Mono) -> Vec<Verdict> {
        let lost_share = self.lost_share;
        self.isolates.values_mut().for_each(|isolate| isolate.judge(now, lost_share));
        self.verdicts(now)
    }

    /// Since when nothing was heard of any isolate, and why; `None` once one was.
    pub(crate) fn silence(&self) -> Option<(Mono, Seen)> {
        (self.serial == 0).then(|| (self.since, self.silence.clone()))
    }

    /// What is to be said of every kind of memory, reconciled.
    fn verdicts(&mut self, now: Mono) -> Vec<Verdict> {
        let heaps: Vec<_> = self.isolates.values().filter_map(Isolate::finding).collect();
        let circumstances = Circumstances { age: self.age, lost_share: self.lost_share };
        self.judge.judge(now, &heaps, &circumstances).to_vec()
    }

    /// Takes in a collection: what it shows of its isolate, and the verdicts that it changes.
    pub(crate) fn collection(&mut self, collection: &Collection) -> (Shown, Vec<Verdict>) {
        let limit = collection.limit.map(|parts| self.limit(parts));
        let is_new = !self.isolates.contains_key(&collection.heap);
        let external = self.external.check(collection);
        self.judge.collection(collection);
        let lost_share = self.lost_share;
        let isolate = self.isolate(collection, limit);
        let facts = IsolateFacts::from(&isolate.series);
        let (statistics, leak) = isolate.collection(collection, limit, lost_share);
        let isolate = IsolateFacts { limit: limit.or(facts.limit), ..facts };
        let is_full = collection.kind == GcKind::MarkCompact;
        let verdicts = if is_full { self.news(collection.end, &[]) } else { Vec::new() };
        (Shown { isolate, is_new, external, statistics, leak }, verdicts)
    }

    /// The isolate that collected, which may be from before us.
    fn isolate(&mut self, collection: &Collection, limit: Option<u64>) -> &mut Isolate {
        let (pid, since, age, serial) = (self.pid, self.since, self.age, &mut self.serial);
        self.isolates.entry(collection.heap).or_insert_with(|| {
            *serial += 1;
            let worker = collection.tid != pid;
            Isolate::new(series::Isolate::new(*serial, collection.tid, worker, since, limit), age)
        })
    }

    /// An isolate was set up on the thread `tid`.
    pub(crate) fn born(&mut self, heap: u64, tid: u32, at: Mono, limit: Option<LimitParts>) -> IsolateFacts {
        let limit = limit.map(|parts| self.limit(parts));
        self.serial += 1;
        let series = series::Isolate::new(self.serial, tid, tid != self.pid, at, limit);
        let facts = IsolateFacts::from(&series);
        self.isolates.insert(heap, Isolate::new(series, Duration::ZERO));
        facts
    }

    /// An isolate was torn down.
    pub(crate) fn torn_down(&mut self, heap: u64, at: Mono) -> Option<Gone> {
        let lost_share = self.lost_share;
        self.isolates.get_mut(&heap)?.judge(at, lost_share);
        let mut verdicts = self.verdicts(at);
        let isolate = self.isolates.remove(&heap)?;
        let serial = Some(isolate.series.serial);
        self.reported.retain(|(isolate, _), _| *isolate != serial);
        verdicts.retain(|verdict| verdict.isolate == serial);
        Some(Gone { isolate: IsolateFacts::from(&isolate.series), verdicts })
    }

    fn limit(&self, parts: LimitParts) -> u64 {
        parts.max_semi_space.saturating_mul(self.semi_spaces).saturating_add(parts.max_old_generation)
    }
}

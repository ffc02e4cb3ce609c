//! One target: its events to records. Owns what is known of its isolates; does no I/O.

use std::{collections::BTreeMap, time::Duration};

use super::isolate::Judged;
use crate::{
    detect::{Circumstances, Kind, Level, ProcessJudge, Verdict},
    engine::{ending::Ending, features::External},
    ingest::{Event, What},
    model::{Collection, GcKind, LimitParts, Mono, ProcessId, Reading},
    report::record::{Body, IsolateState, Record},
    series::Isolate,
    translate::{self, Stamp},
};

/// One target.
pub(crate) struct Watched {
    pub(crate) id: ProcessId,
    pub(crate) stamp: Stamp,
    pub(crate) ending: Ending,
    /// When its probes were live.
    pub(crate) since: Mono,
    /// How old it was then.
    age: Duration,
    /// How many semi-spaces the limit counts: a fact of V8's version and flags.
    semi_spaces: u64,
    external: External,
    judge: ProcessJudge,
    /// The level that the last verdict of each kind told.
    told: BTreeMap<(Option<u32>, Kind), Level>,
    /// By address of the heap.
    isolates: BTreeMap<u64, Judged>,
    serial: u32,
    /// Why no isolate was heard of, for as long as none was.
    silence: &'static str,
    /// Share of collections that the kernel side lost, 0 to 1.
    pub(crate) lost_share: f64,
}

impl Watched {
    pub(crate) fn new(
        id: ProcessId,
        stamp: Stamp,
        since: Mono,
        age: Duration,
        semi_spaces: u64,
        external: External,
    ) -> Self {
        Self {
            id,
            stamp,
            ending: Ending::default(),
            since,
            age,
            semi_spaces,
            external,
            judge: ProcessJudge::new(),
            told: BTreeMap::new(),
            isolates: BTreeMap::new(),
            serial: 0,
            silence: "no collection was seen: watch longer, or put load on it",
            lost_share: 0.0,
        }
    }

    /// The same of a target whose collections cannot be seen.
    pub(crate) fn blind(self) -> Self {
        Self {
            silence: "its collections cannot be seen (the features say why), so nothing is known of its heaps",
            ..self
        }
    }

    /// How many isolates are alive that we know of.
    pub(crate) fn isolate_count(&self) -> u64 {
        self.isolates.len() as u64
    }

    /// Addresses of their heaps.
    pub(crate) fn heaps(&self) -> Vec<u64> {
        self.isolates.keys().copied().collect()
    }

    /// Takes in what was read of the process from outside.
    pub(crate) fn reading(&mut self, reading: &Reading) -> Vec<Body> {
        let isolates = self.isolates.values().map(|judged| &judged.isolate).collect();
        self.judge.reading(reading, &isolates);
        self.news(reading.at)
    }

    /// Takes in one event of this process.
    pub(crate) fn event(&mut self, event: &Event) -> Vec<Record> {
        let at = event.time;
        let bodies = match &event.what {
            What::Collection(collection) => self.collection(collection),
            What::HeapSetUp { heap, limit } => self.born(*heap, event.tid, at, *limit),
            What::HeapTearDown { heap } => self.torn_down(*heap, at),
            What::V8OutOfMemory { heap, location } => {
                let serial = self.isolates.get(heap).map(|judged| judged.isolate.serial);
                self.ending.v8_out_of_memory(serial, location.clone());
                self.last_words(at)
            }
            What::Exit { status } => {
                self.ending.status(*status);
                Vec::new()
            }
            What::OomKill => {
                self.ending.oom_killed();
                self.last_words(at)
            }
            What::Exec => Vec::new(),
        };
        bodies.into_iter().map(|body| self.stamp.record(at, body)).collect()
    }

    /// The verdicts as they stand: what is printed before the end, of us or of the target.
    pub(crate) fn last_words(&mut self, now: Mono) -> Vec<Body> {
        let lost_share = self.lost_share;
        self.isolates.values_mut().for_each(|judged| judged.judge(now, lost_share));
        let silence = (self.serial == 0).then(|| translate::silence(&self.stamp, self.since, self.silence));
        let stamp = self.stamp;
        silence.into_iter().chain(self.verdicts(now).iter().map(|v| translate::verdict(&stamp, v))).collect()
    }

    /// Verdicts whose level was not told yet.
    fn news(&mut self, now: Mono) -> Vec<Body> {
        let verdicts = self.verdicts(now);
        let mut bodies = Vec::new();
        for verdict in verdicts {
            let level = verdict.finding.level;
            if self.told.insert((verdict.isolate, verdict.kind), level) != Some(level) {
                bodies.push(translate::verdict(&self.stamp, &verdict));
            }
        }
        bodies
    }

    /// The verdicts on `kind` are news, whatever was told: more is known than their level.
    pub(crate) fn tell_again(&mut self, kind: Kind) {
        self.told.retain(|(_, told), _| *told != kind);
    }

    /// What is to be said of every kind of memory, reconciled.
    fn verdicts(&mut self, now: Mono) -> Vec<Verdict> {
        let heaps: Vec<_> = self.isolates.values().filter_map(Judged::finding).collect();
        let circumstances = Circumstances { age: self.age, lost_share: self.lost_share };
        self.judge.judge(now, &heaps, &circumstances).to_vec()
    }

    fn collection(&mut self, collection: &Collection) -> Vec<Body> {
        let limit = collection.limit.map(|parts| self.limit(parts));
        let mut bodies = self.first_sight(collection, limit);
        bodies.extend(self.external.check(collection));
        self.judge.collection(collection);
        let (stamp, lost_share) = (self.stamp, self.lost_share);
        if let Some(judged) = self.isolates.get_mut(&collection.heap) {
            bodies.extend(judged.collection(&stamp, collection, limit, lost_share));
        }
        if collection.kind == GcKind::MarkCompact {
            bodies.extend(self.news(collection.end));
        }
        bodies
    }

    fn first_sight(&mut self, collection: &Collection, limit: Option<u64>) -> Vec<Body> {
        if self.isolates.contains_key(&collection.heap) {
            return Vec::new();
        }
        let isolate = self.next_isolate(collection.tid, self.since, limit);
        let body = translate::isolate(&isolate, IsolateState::Seen);
        self.isolates.insert(collection.heap, Judged::new(isolate, self.age));
        vec![body]
    }

    fn born(&mut self, heap: u64, tid: u32, at: Mono, limit: Option<LimitParts>) -> Vec<Body> {
        let mut bodies = self.torn_down(heap, at);
        let limit = limit.map(|parts| self.limit(parts));
        let isolate = self.next_isolate(tid, at, limit);
        bodies.push(translate::isolate(&isolate, IsolateState::Born));
        self.isolates.insert(heap, Judged::new(isolate, Duration::ZERO));
        bodies
    }

    fn torn_down(&mut self, heap: u64, at: Mono) -> Vec<Body> {
        let Some(judged) = self.isolates.get_mut(&heap) else { return Vec::new() };
        judged.judge(at, self.lost_share);
        let verdicts = self.verdicts(at);
        let Some(judged) = self.isolates.remove(&heap) else { return Vec::new() };
        let serial = Some(judged.isolate.serial);
        self.told.retain(|(isolate, _), _| *isolate != serial);
        let its_own = verdicts.iter().filter(|verdict| verdict.isolate == serial);
        let last_words = its_own.map(|verdict| translate::verdict(&self.stamp, verdict));
        last_words.chain([translate::isolate(&judged.isolate, IsolateState::Gone)]).collect()
    }

    fn next_isolate(&mut self, tid: u32, since: Mono, limit: Option<u64>) -> Isolate {
        self.serial += 1;
        Isolate::new(self.serial, tid, tid != self.id.pid, since, limit)
    }

    fn limit(&self, parts: LimitParts) -> u64 {
        parts.max_semi_space.saturating_mul(self.semi_spaces).saturating_add(parts.max_old_generation)
    }
}

//! One target: its events to records. Owns what is known of its isolates; does no I/O.

use std::{collections::BTreeMap, time::Duration};

use super::{
    ending::Ending,
    outside::Outside,
    translate::{self, Stamp},
};
use crate::{
    detect::{Circumstances, HeapJudge, Level},
    ingest::{Event, What},
    model::{Collection, GcKind, LimitParts, Mono, OutsideHeap, ProcessId},
    report::record::{Body, IsolateState, Record},
    series::Isolate,
};

/// One target.
pub(super) struct Watched {
    pub(super) id: ProcessId,
    pub(super) stamp: Stamp,
    pub(super) ending: Ending,
    /// When its probes were live.
    pub(super) since: Mono,
    /// How old it was then.
    age: Duration,
    /// How many semi-spaces the limit counts: a fact of V8's version and flags.
    semi_spaces: u64,
    /// What its isolates hold outside of their heaps.
    outside: Outside,
    /// By address of the heap.
    isolates: BTreeMap<u64, Judged>,
    serial: u32,
    /// Why no isolate was heard of, for as long as none was.
    silence: &'static str,
    /// Share of collections that the kernel side lost, 0 to 1.
    pub(super) lost_share: f64,
}

struct Judged {
    isolate: Isolate,
    judge: HeapJudge,
    age: Duration,
    /// The level that the last verdict told.
    told: Option<Level>,
}

impl Watched {
    pub(super) fn new(
        id: ProcessId,
        stamp: Stamp,
        since: Mono,
        age: Duration,
        semi_spaces: u64,
        outside: Outside,
    ) -> Self {
        Self {
            id,
            stamp,
            ending: Ending::default(),
            since,
            age,
            semi_spaces,
            outside,
            isolates: BTreeMap::new(),
            serial: 0,
            silence: "no collection was seen: watch longer, or put load on it",
            lost_share: 0.0,
        }
    }

    /// The same of a target whose collections cannot be seen.
    pub(super) fn blind(self) -> Self {
        Self {
            silence: "its collections cannot be seen (the features say why), so nothing is known of its heaps",
            ..self
        }
    }

    /// How many isolates are alive that we know of.
    pub(super) fn isolate_count(&self) -> u64 {
        self.isolates.len() as u64
    }

    /// What the isolates that we know of hold outside of their heaps now.
    pub(super) fn outside(&self) -> OutsideHeap {
        self.outside.read(self.id.pid, self.isolates.keys().copied())
    }

    /// Takes in one event of this process.
    pub(super) fn event(&mut self, event: &Event) -> Vec<Record> {
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
    pub(super) fn last_words(&mut self, now: Mono) -> Vec<Body> {
        if self.serial == 0 {
            return vec![translate::silence(&self.stamp, self.since, self.silence)];
        }
        let lost_share = self.lost_share;
        self.isolates.values_mut().map(|judged| judged.last_word(&self.stamp, now, lost_share)).collect()
    }

    fn collection(&mut self, collection: &Collection) -> Vec<Body> {
        let limit = collection.limit.map(|parts| self.limit(parts));
        let mut bodies = self.first_sight(collection, limit);
        bodies.extend(self.outside.check(collection));
        let (stamp, lost_share) = (self.stamp, self.lost_share);
        if let Some(judged) = self.isolates.get_mut(&collection.heap) {
            bodies.extend(judged.collection(&stamp, collection, limit, lost_share));
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
        let Some(mut judged) = self.isolates.remove(&heap) else { return Vec::new() };
        let verdict = judged.last_word(&self.stamp, at, self.lost_share);
        vec![verdict, translate::isolate(&judged.isolate, IsolateState::Gone)]
    }

    fn next_isolate(&mut self, tid: u32, since: Mono, limit: Option<u64>) -> Isolate {
        self.serial += 1;
        Isolate::new(self.serial, tid, tid != self.id.pid, since, limit)
    }

    fn limit(&self, parts: LimitParts) -> u64 {
        parts.max_semi_space.saturating_mul(self.semi_spaces).saturating_add(parts.max_old_generation)
    }
}

impl Judged {
    fn new(isolate: Isolate, age: Duration) -> Self {
        let judge = HeapJudge::new(isolate.since);
        Self { isolate, judge, age, told: None }
    }

    fn collection(
        &mut self,
        stamp: &Stamp,
        collection: &Collection,
        limit: Option<u64>,
        lost_share: f64,
    ) -> Vec<Body> {
        let leak = self.isolate.collection(collection, limit);
        let mut bodies = vec![translate::collection(&self.isolate, collection)];
        if collection.kind != GcKind::MarkCompact {
            return bodies;
        }
        let now = collection.end;
        bodies
            .extend(self.isolate.memwatch.stats().map(|stats| translate::stats(&self.isolate, &stats, now)));
        bodies.extend(leak.map(|leak| translate::leak(stamp, &self.isolate, &leak)));
        let level = self.judge(now, lost_share);
        if self.told != Some(level) {
            bodies.push(self.verdict(stamp));
        }
        bodies
    }

    fn judge(&mut self, now: Mono, lost_share: f64) -> Level {
        let circumstances = Circumstances { age: self.age, lost_share };
        self.judge.judge(&self.isolate, now, &circumstances).level
    }

    fn last_word(&mut self, stamp: &Stamp, now: Mono, lost_share: f64) -> Body {
        self.judge(now, lost_share);
        self.verdict(stamp)
    }

    fn verdict(&mut self, stamp: &Stamp) -> Body {
        let finding = self.judge.finding();
        self.told = Some(finding.level);
        translate::verdict(stamp, &self.isolate, finding)
    }
}

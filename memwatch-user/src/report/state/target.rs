//! One process: what it is, what its isolates did, what was said about it.

use std::collections::{BTreeMap, VecDeque};

use super::isolate::Isolate;
use crate::report::{
    describe::{self, Detail},
    record::{
        Body, End, Feature, Governor, Hello, IsolateState, Kind, Level, Loss, Memory, State, Subject, Switch,
        Verdict,
    },
    text::escape_to,
    time::Time,
};
use crate::vocabulary::{Reason, Seen};

/// How many isolates that are gone are still shown, per process: a pool of workers makes thousands.
pub(crate) const MAX_GONE: usize = 4;
/// How many events are kept, per process: a screen full.
pub(crate) const MAX_EVENTS: usize = 48;

/// Something that happened, in words.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub ts: Time,
    /// The isolate it is about.
    pub isolate: Option<u32>,
    /// What.
    pub line: describe::Line,
}

/// One process.
#[derive(Clone, Debug)]
pub struct Target {
    /// Which.
    pub subject: Subject,
    /// When its first record came.
    pub first_seen: Time,
    /// When its latest record came.
    pub last_seen: Time,
    /// What was known when we attached.
    pub hello: Option<Hello>,
    /// Its isolates by serial number.
    pub isolates: BTreeMap<u32, Isolate>,
    /// Isolates that are gone, including those no longer kept.
    pub isolates_gone: usize,
    /// The last verdict on each kind of memory.
    pub verdicts: BTreeMap<(Option<u32>, Kind), Verdict>,
    /// Memory of the process, last known.
    pub memory: Option<Memory>,
    /// The same when its parts were first known.
    pub memory_at_first: Option<Memory>,
    /// What was not seen.
    pub loss: Loss,
    /// The last decision about what may be spent.
    pub governor: Option<Governor>,
    /// How many there were.
    pub decisions: u64,
    /// When and how it went.
    pub ended: Option<(Time, End)>,
    /// What happened lately, latest last.
    pub events: VecDeque<Event>,
}

impl Target {
    pub(super) fn new(subject: Subject, now: Time) -> Self {
        Self {
            subject,
            first_seen: now,
            last_seen: now,
            hello: None,
            isolates: BTreeMap::new(),
            isolates_gone: 0,
            verdicts: BTreeMap::new(),
            memory: None,
            memory_at_first: None,
            decisions: 0,
            loss: Loss::default(),
            governor: None,
            ended: None,
            events: VecDeque::new(),
        }
    }

    pub(super) fn record(&mut self, ts: Time, body: &Body) {
        self.last_seen = ts;
        self.remember(ts, body);
        match body {
            Body::Hello(hello) => self.hello = Some(Hello::clone(hello)),
            Body::Isolate(isolate) => {
                self.isolate(isolate.isolate, isolate.thread).introduce(isolate);
                self.forget_gone(isolate.state);
            }
            Body::Feature(feature) => self.feature(feature),
            Body::Gc(gc) => self.isolate(gc.isolate, gc.thread).collected(ts, gc),
            Body::Stats(stats) => self.isolate(stats.isolate, 0).measured(stats),
            Body::Starts(starts) => self.isolate(starts.isolate, 0).started(starts),
            Body::Memory(memory) => self.measured(memory),
            Body::Verdict(verdict) => {
                self.verdicts.insert((verdict.isolate, verdict.kind), Verdict::clone(verdict));
            }
            Body::Governor(governor) => {
                self.governor = Some(governor.clone());
                self.decisions += 1;
            }
            Body::End(end) => self.ended = Some((ts, end.clone())),
            Body::Loss(loss) => self.loss = loss.clone(),
            Body::Heap(_) | Body::Leak(_) | Body::Missed(_) | Body::Bye(_) => {}
        }
    }

    fn measured(&mut self, memory: &Memory) {
        if self.memory_at_first.as_ref().is_none_or(|first| first.v8_heap.is_none()) {
            self.memory_at_first = Some(memory.clone());
        }
        self.memory = Some(memory.clone());
    }

    fn isolate(&mut self, serial: u32, thread: u32) -> &mut Isolate {
        self.isolates.entry(serial).or_insert_with(|| Isolate::new(serial, thread))
    }

    /// Keeps the event unless it is one of those that come all the time.
    fn remember(&mut self, ts: Time, body: &Body) {
        if !is_event(body) {
            return;
        }
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(Event {
            ts,
            isolate: isolate_of(body),
            line: describe::body(body, None, Detail::Brief),
        });
    }

    pub(in crate::report) fn limit_of(&self, isolate: u32) -> Option<u64> {
        self.isolates.get(&isolate).and_then(|isolate| isolate.heap_limit)
    }

    fn forget_gone(&mut self, state: IsolateState) {
        if state != IsolateState::Gone {
            return;
        }
        self.isolates_gone += 1;
        let gone = || self.isolates.values().filter(|isolate| isolate.gone);
        if gone().count() > MAX_GONE
            && let Some(oldest) = gone().map(|isolate| isolate.serial).min()
        {
            self.isolates.remove(&oldest);
            self.verdicts.retain(|(isolate, _), _| *isolate != Some(oldest));
        }
    }

    fn feature(&mut self, feature: &Feature) {
        let Some(features) = self.hello.as_mut().map(|hello| &mut hello.features) else { return };
        let state = if feature.state == Switch::On { State::On } else { State::Off(feature.reason.clone()) };
        match feature.name.as_str() {
            "gc" => features.gc = state,
            "heap_limit" => features.heap_limit = state,
            "external" => features.external = state,
            "native" => features.native = state,
            "js_stacks" => features.js_stacks = state,
            "handles" => features.handles = state,
            _ => {}
        }
    }

    /// The verdict to show first: the most alarming, and among equals the fastest growing. What is harmless however it grows
    /// comes last.
    #[must_use]
    pub fn worst(&self) -> Option<&Verdict> {
        let rate = |verdict: &Verdict| verdict.rate_bytes_per_hour.unwrap_or(f64::MIN);
        self.verdicts.values().max_by(|a, b| {
            trouble(a).cmp(&trouble(b)).then(rate(a).total_cmp(&rate(b))).then(b.isolate.cmp(&a.isolate))
        })
    }

    /// How alarming it is; a process without a verdict is the least.
    #[must_use]
    pub fn alarm(&self) -> Option<Level> {
        self.worst().map(|verdict| verdict.verdict)
    }

    /// The verdict on the heap of one isolate.
    #[must_use]
    pub fn heap_verdict(&self, isolate: u32) -> Option<&Verdict> {
        self.verdicts.get(&(Some(isolate), Kind::JsHeap))
    }

    /// Whether records must say which isolate they are about.
    #[must_use]
    pub fn has_several_isolates(&self) -> bool {
        self.isolates.len() > 1 || self.isolates_gone > 1
    }

    /// Until when there is something to see of it: `now` while it lives.
    #[must_use]
    pub fn until(&self, now: Time) -> Time {
        self.ended.as_ref().map_or(now, |(ended, _)| *ended)
    }

    /// What to call it, for example `node server.js`; harmless and short.
    #[must_use]
    pub fn name(&self) -> String {
        escape_to(&self.hello.as_ref().map_or_else(String::new, describe::hello::program), 60)
    }
}

/// How much trouble a verdict is: `stable` claims the most, so that `inconclusive` beside it counts.
fn trouble(verdict: &Verdict) -> u8 {
    match verdict.verdict {
        _ if is_harmless(verdict) => 0,
        Level::Stable => 1,
        Level::Inconclusive => 2,
        Level::Growing => 3,
        Level::Suspect => 4,
        Level::Leak => 5,
    }
}

/// Whether it is nobody's trouble: what the allocator keeps, what follows the load, and what another kind explains.
#[must_use]
pub(crate) fn is_harmless(verdict: &Verdict) -> bool {
    let is_explained = |reason: &Reason| matches!(reason.seen, Seen::Companion { .. });
    matches!(verdict.kind, Kind::Fragmentation | Kind::Load) || verdict.reasons.iter().any(is_explained)
}

/// Whether somebody who watches wants to know: no statistics, no counters, no decisions of ours, and not node-memwatch's
/// event, which is no verdict.
const fn is_event(body: &Body) -> bool {
    match body {
        Body::Isolate(_) | Body::Feature(_) | Body::Verdict(_) | Body::End(_) | Body::Bye(_) => true,
        Body::Gc(gc) => gc.kind.is_full(),
        _ => false,
    }
}

/// Whether a record is about an isolate, and which.
pub(in crate::report) fn isolate_of(body: &Body) -> Option<u32> {
    match body {
        Body::Isolate(isolate) => Some(isolate.isolate),
        Body::Gc(gc) => Some(gc.isolate),
        Body::Stats(stats) => Some(stats.isolate),
        Body::Starts(starts) => Some(starts.isolate),
        Body::Leak(leak) => Some(leak.isolate),
        Body::Verdict(verdict) => verdict.isolate,
        Body::End(End::V8OutOfMemory { isolate, .. }) => *isolate,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::record;

    fn target() -> Target {
        Target::new(Subject { pid: 1, start_time: Time::default() }, Time::default())
    }

    fn isolate(isolate: u32, state: IsolateState) -> Body {
        Body::Isolate(record::Isolate {
            isolate,
            state,
            thread: isolate,
            worker: isolate > 1,
            heap_limit: None,
        })
    }

    #[test]
    fn a_pool_of_workers_stays_bounded() {
        let mut target = target();
        for serial in 1..=1_000 {
            target.record(Time::default(), &isolate(serial, IsolateState::Born));
            if serial > 1 {
                target.record(Time::default(), &isolate(serial, IsolateState::Gone));
            }
        }
        let kept: Vec<_> = target.isolates.keys().copied().collect();
        assert_eq!(kept, [1, 997, 998, 999, 1_000]);
        assert_eq!((target.isolates_gone, target.events.len()), (999, MAX_EVENTS));
    }

    #[test]
    fn a_feature_that_goes_off_later_is_off() {
        let mut target = target();
        target.record(Time::default(), &Body::Hello(Box::default()));
        let off = Feature { name: "gc".into(), state: Switch::Off, reason: "too expensive".into() };
        target.record(Time::default(), &Body::Feature(off));
        assert_eq!(target.hello.unwrap().features.gc, State::Off("too expensive".into()));
    }
}

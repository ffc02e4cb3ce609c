//! Isolates and their collections as records.

use super::{Stamp, place::frames, verdict::verdicts};
use crate::{
    attribute::{Paused, Start, Starts},
    engine::outcome::{CollectionOutcome, IsolateEnd, IsolateFacts, Shown, Statistics},
    model::{Collection, Frame},
    report::record::{self, Body, IsolateState},
    series::MemwatchLeak,
    v8::reasons,
};

/// A collection and what came of it.
pub(super) fn outcome(stamp: &Stamp, outcome: CollectionOutcome) -> Vec<Body> {
    let CollectionOutcome { collection, trigger, shown, verdicts: judged } = outcome;
    let Shown { isolate: facts, is_new, external, statistics, leak } = shown;
    let serial = facts.serial;
    let mut bodies = Vec::new();
    bodies.extend(is_new.then(|| isolate(facts, IsolateState::Seen)));
    bodies.extend(external.map(super::feature));
    bodies.push(gc(serial, &collection, trigger));
    bodies.extend(statistics.map(|statistics| stats(facts, &statistics)));
    bodies.extend(leak.map(|leak| memwatch_leak(stamp, serial, leak)));
    bodies.extend(verdicts(stamp, judged));
    bodies
}

/// An isolate that is gone: where its collections started, the last verdicts on it, and that it is gone.
pub(super) fn isolate_gone(stamp: &Stamp, end: IsolateEnd) -> Vec<Body> {
    let IsolateEnd { isolate: facts, triggers: counted, verdicts: judged } = end;
    let triggers = counted.map(|counted| triggers(facts.serial, &counted));
    let verdicts = verdicts(stamp, judged);
    triggers.into_iter().chain(verdicts).chain([isolate(facts, IsolateState::Gone)]).collect()
}

pub(super) fn isolate(isolate: IsolateFacts, state: IsolateState) -> Body {
    Body::Isolate(record::Isolate {
        isolate: isolate.serial,
        state,
        thread: isolate.tid,
        worker: isolate.worker,
        heap_limit: isolate.limit,
    })
}

fn gc(isolate: u32, collection: &Collection, trigger: Option<Vec<Frame>>) -> Body {
    Body::Gc(record::Gc {
        isolate,
        thread: collection.tid,
        kind: collection.kind,
        reason: reason(collection.reason),
        pause_us: micros(collection.pause()),
        before_bytes: collection.before_bytes,
        after_bytes: collection.after_bytes,
        compacted: collection.compacted,
        marking_ms: collection.marking_start.map(|start| micros(collection.start.since(start)) / 1000),
        array_buffers: collection.outside.array_buffers,
        external: collection.outside.external,
        started_in: trigger.map(frames),
    })
}

fn stats(isolate: IsolateFacts, statistics: &Statistics) -> Body {
    let Statistics { memwatch, pauses, gc_share } = *statistics;
    Body::Stats(Box::new(record::Stats {
        isolate: isolate.serial,
        num_full_gc: memwatch.num_full_gc,
        num_inc_gc: memwatch.num_inc_gc,
        heap_compactions: memwatch.heap_compactions,
        usage_trend: memwatch.usage_trend,
        estimated_base: memwatch.estimated_base,
        current_base: memwatch.current_base,
        min: memwatch.min,
        max: memwatch.max,
        heap_limit: isolate.limit,
        gc_pause_us: record::Pauses { p50: pauses.p50, p90: pauses.p90, p99: pauses.p99, max: pauses.max },
        gc_share,
    }))
}

fn memwatch_leak(stamp: &Stamp, isolate: u32, leak: MemwatchLeak) -> Body {
    Body::Leak(record::Leak {
        isolate,
        start: stamp.time(leak.start),
        end: stamp.time(leak.end),
        growth: leak.growth,
        reason: leak.reason,
    })
}

/// Where the collections of an isolate start.
pub(super) fn triggers(isolate: u32, starts: &Starts) -> Body {
    Body::Starts(Box::new(record::Starts {
        isolate,
        all: paused(starts.all),
        outside: paused(starts.outside),
        unknown: paused(starts.unknown),
        starts: starts.largest().into_iter().map(start).collect(),
    }))
}

fn start(start: &Start) -> record::Start {
    record::Start {
        kind: start.kind,
        reason: reason(start.reason),
        paused: paused(start.paused),
        frames: frames(start.frames.clone()),
    }
}

fn paused(paused: Paused) -> record::Paused {
    record::Paused { n: paused.n, pause_us: micros(paused.pause) }
}

/// A newer V8 may have reasons that we have no words for.
fn reason(code: u8) -> String {
    reasons::words(code).map_or_else(|| format!("reason {code}"), str::to_owned)
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

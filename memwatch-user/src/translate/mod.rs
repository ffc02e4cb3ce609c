//! From what the stages know to the records that say it: one function a record, nothing decided here.

pub(crate) mod hello;
mod memory;
mod verdict;

pub(crate) use self::{
    memory::memory,
    verdict::{silence, verdict},
};

use crate::{
    attribute::{Paused, Site, Start, Starts},
    engine::probes::pace::Rest,
    host::{
        clock::WallClock,
        exit::{Ended, signal_name},
    },
    model::{Collection, Frame, FrameKind, Mono},
    native,
    report::{
        record::{self, Body, Record, SCHEMA, Subject},
        time::Time,
    },
    series::{Isolate, MemwatchLeak, MemwatchStats},
    units::span,
    v8::reasons,
    vocabulary::{Code, Measure},
};

/// Whom records are about, and how their times are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) subject: Subject,
    pub(crate) clock: WallClock,
}

impl Stamp {
    pub(crate) fn record(&self, at: Mono, body: Body) -> Record {
        Record { schema: SCHEMA, ts: self.time(at), subject: Some(self.subject), body }
    }

    pub(crate) fn time(&self, at: Mono) -> Time {
        Time::from_unix_ms(self.clock.unix_ms(at))
    }
}

pub(crate) fn isolate(isolate: &Isolate, state: record::IsolateState) -> Body {
    Body::Isolate(record::Isolate {
        isolate: isolate.serial,
        state,
        thread: isolate.tid,
        worker: isolate.worker,
        heap_limit: isolate.limit,
    })
}

pub(crate) fn collection(isolate: &Isolate, collection: &Collection) -> Body {
    Body::Gc(record::Gc {
        isolate: isolate.serial,
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
        started_in: None,
    })
}

pub(crate) fn stats(isolate: &Isolate, memwatch: &MemwatchStats, now: Mono) -> Body {
    let pauses = isolate.pauses.percentiles();
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
        gc_share: isolate.gc_share(now),
    }))
}

/// Where the collections of an isolate start.
pub(crate) fn starts(isolate: u32, starts: &Starts) -> Body {
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

/// A stack of JavaScript.
pub(crate) fn frames(frames: Vec<Frame>) -> Vec<record::Frame> {
    frames.into_iter().map(frame).collect()
}

pub(crate) fn leak(stamp: &Stamp, isolate: &Isolate, leak: &MemwatchLeak) -> Body {
    Body::Leak(record::Leak {
        isolate: isolate.serial,
        start: stamp.time(leak.start),
        end: stamp.time(leak.end),
        growth: leak.growth,
        reason: leak.reason.clone(),
    })
}

/// One place of a heap's memory. Which of it survives is not known.
pub(crate) fn site(site: Site) -> record::Site {
    record::Site {
        share: site.share,
        bytes: site.bytes,
        measure: Measure::Allocated,
        call: None,
        n: site.samples,
        interval: Some(site.interval.map(Some)),
        frames: frames(site.frames),
    }
}

fn frame(frame: Frame) -> record::Frame {
    let function = match frame.kind {
        FrameKind::Unknown => None,
        _ => Some(frame.function.unwrap_or_else(|| "(anonymous)".to_owned())),
    };
    record::Frame {
        function,
        file: frame.file,
        line: frame.line,
        module: None,
        kind: Code::Js,
        doubtful: frame.is_doubtful,
    }
}

/// A decision about what may be spent on native memory, and when it was made.
pub(crate) fn decision(decision: native::Decision, budget_pct: f64) -> (Mono, Body) {
    let body = Body::Governor(record::Governor {
        mode: decision.mode.to_owned(),
        hit_rate_per_s: decision.traps_per_s,
        cost_estimate_pct: decision.cost_pct,
        budget_pct,
        coverage: decision.coverage,
        reason: decision.reason,
    });
    (decision.at, body)
}

/// Probes on allocations that rest.
pub(crate) fn rest(rest: &Rest, budget: f64) -> Body {
    Body::Governor(record::Governor {
        mode: "stacks".to_owned(),
        hit_rate_per_s: rest.hits_per_s,
        cost_estimate_pct: 100.0 * rest.cost,
        budget_pct: 100.0 * budget,
        coverage: rest.coverage,
        reason: format!(
            "where JavaScript allocates cost more than it may: not looked at for {}",
            span(rest.lasts.as_secs_f64())
        ),
    })
}

/// One place that holds native memory.
pub(crate) fn holder(holder: native::Holder) -> record::Site {
    let native = holder.frames.into_iter().map(native_frame);
    record::Site {
        share: holder.share,
        bytes: holder.bytes,
        measure: Measure::Outstanding,
        call: Some(holder.by),
        n: holder.n,
        interval: holder.interval.map(|interval| interval.map(Some)),
        frames: native.chain(holder.callers.into_iter().map(frame)).collect(),
    }
}

fn native_frame(frame: native::Frame) -> record::Frame {
    record::Frame {
        function: frame.function,
        file: frame.file,
        line: frame.line,
        module: frame.module,
        kind: Code::Native,
        doubtful: false,
    }
}

pub(crate) fn ended(ended: Ended) -> record::End {
    match ended {
        Ended::Exit(code) => record::End::Exit { code },
        Ended::Signal(signal) => record::End::Signal { signal, name: signal_name(signal).into_owned() },
    }
}

/// A newer V8 may have reasons that we have no words for.
fn reason(code: u8) -> String {
    reasons::words(code).map_or_else(|| format!("reason {code}"), str::to_owned)
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

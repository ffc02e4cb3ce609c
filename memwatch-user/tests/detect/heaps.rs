//! Heaps for tests: collections from a model or from a recorded trace, and the verdicts on them.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times and sizes of a model: above zero and below 2^53"
)]

use std::time::Duration;

use memwatch_user::{
    detect::{Circumstances, HeapJudge, Level},
    model::{Collection, GcKind, Mono, OutsideHeap},
    series::Isolate,
};

/// Bytes.
pub(crate) const MIB: f64 = 1_048_576.0;
/// The limit of all heaps here.
pub(crate) const LIMIT: u64 = 2 << 30;

/// The collections of one isolate.
pub(crate) struct Heap(pub(crate) Vec<Collection>);

impl Heap {
    /// A program that keeps `live(t)` bytes and makes `garbage_per_s`, under V8's policy in its simplest form: a
    /// mark-compact whenever the heap is half as large again as the last one left it, and 4 MiB.
    pub(crate) fn run(live: impl Fn(f64) -> f64, garbage_per_s: f64, seconds: f64) -> Self {
        const STEP_S: f64 = 0.05;
        let (mut garbage, mut threshold, mut collections) = (0.0, 8.0 * MIB, Vec::new());
        for step in 0..(seconds / STEP_S) as u64 {
            let t = step as f64 * STEP_S;
            garbage += garbage_per_s * STEP_S;
            if live(t) + garbage > threshold {
                collections.push(mark_compact(t, live(t) + garbage, live(t)));
                threshold = live(t) * 1.5 + 4.0 * MIB;
                garbage = 0.0;
            }
        }
        Self(collections)
    }

    /// Lines of `end_ms,pause_us,kind,before_bytes,after_bytes` behind a header.
    pub(crate) fn recorded(csv: &str) -> Self {
        Self(csv.lines().skip(1).map(recorded_collection).collect())
    }
}

/// Levels in the order they were reached, with the seconds since the start, from one judge who sees `heap` and looks
/// once more at the end.
pub(crate) fn verdicts(heap: Heap, watched_s: f64, age_s: f64) -> Vec<(f64, Level)> {
    verdicts_below(heap, watched_s, age_s, LIMIT)
}

/// The same for a heap that may grow to `limit` bytes.
pub(crate) fn verdicts_below(heap: Heap, watched_s: f64, age_s: f64, limit: u64) -> Vec<(f64, Level)> {
    let mut isolate = Isolate::new(1, 1, false, Mono(0), Some(limit));
    let mut judge = HeapJudge::new(Mono(0));
    let circumstances = Circumstances { age: Duration::from_secs_f64(age_s), lost_share: 0.0 };
    let mut seen = vec![(0.0, Level::Inconclusive)];
    let mut look = |isolate: &Isolate, at: Mono| {
        let level = judge.judge(isolate, at, &circumstances).level;
        if seen.last().is_some_and(|v| v.1 != level) {
            seen.push((at.seconds(), level));
        }
    };
    for c in heap.0 {
        isolate.collection(&c, None);
        if c.kind == GcKind::MarkCompact {
            look(&isolate, c.end);
        }
    }
    look(&isolate, Mono((watched_s * 1e9) as u64));
    seen
}

/// Whether a leak was ever called, and when first.
pub(crate) fn leak(seen: &[(f64, Level)]) -> Option<f64> {
    seen.iter().find(|v| v.1 == Level::Leak).map(|v| v.0)
}

/// Reproducible noise between −1 and 1: a hash of the second.
pub(crate) fn noise(t: f64) -> f64 {
    let mut x = (t.floor() as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// The moment `t` seconds after the origin.
pub(crate) fn mono(t: f64) -> Mono {
    Mono((t * 1e9) as u64)
}

/// A mark-compact that ends at `t` seconds.
pub(crate) fn mark_compact(t: f64, before: f64, after: f64) -> Collection {
    let end = mono(t);
    collection(end, 1_000, GcKind::MarkCompact, before as u64, after as u64)
}

fn recorded_collection(line: &str) -> Collection {
    let field: Vec<&str> = line.split(',').collect();
    let number =
        |i: usize| field[i].parse::<u64>().unwrap_or_else(|_| panic!("not a line of a trace: {line}"));
    let kind = match field[2] {
        "scavenge" => GcKind::Scavenge,
        "mark-compact" => GcKind::MarkCompact,
        other => panic!("{other} is no kind of this trace"),
    };
    collection(Mono(number(0) * 1_000_000), number(1), kind, number(3), number(4))
}

fn collection(end: Mono, pause_us: u64, kind: GcKind, before: u64, after: u64) -> Collection {
    Collection {
        heap: 1,
        tid: 1,
        start: Mono(end.0.saturating_sub(pause_us * 1000)),
        end,
        kind,
        reason: 0,
        before_bytes: Some(before),
        after_bytes: Some(after),
        limit: None,
        compacted: None,
        marking_start: None,
        stack: None,
        outside: OutsideHeap::default(),
    }
}

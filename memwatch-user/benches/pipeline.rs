//! How many collections a second go through the pipeline, from the collection to the verdict, by replay.
//!
//! A recorded process is repeated with time running on, to seventeen hours, so the ring of valleys is full for most of it.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use memwatch_user::{
    detect::{Circumstances, HeapJudge, Level},
    model::{Collection, GcKind, Mono},
    series::Isolate,
};

const TRACE: &str = include_str!("../tests/traces/debug-fixed.csv");
const REPEATS: u64 = 400;
const OLD: Circumstances = Circumstances { age: Duration::from_secs(3600), lost_share: 0.0 };

fn pipeline(c: &mut Criterion) {
    let collections = repeated();
    let mut group = c.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(collections.len() as u64));
    group.bench_function("series", |b| b.iter(|| black_box(series(&collections))));
    group.bench_function("series and verdict", |b| b.iter(|| black_box(verdict(&collections))));
    group.finish();
}

fn verdict_of_a_full_ring(c: &mut Criterion) {
    let isolate = series(&repeated());
    c.bench_function("one verdict", |b| {
        b.iter(|| HeapJudge::new(Mono(0)).judge(black_box(&isolate), Mono(u64::MAX), &OLD).level);
    });
}

fn series(collections: &[Collection]) -> Isolate {
    let mut isolate = Isolate::new(1, 1, false, Mono(0), Some(2 << 30));
    for collection in collections {
        isolate.collection(collection, None);
    }
    isolate
}

fn verdict(collections: &[Collection]) -> Level {
    let mut isolate = Isolate::new(1, 1, false, Mono(0), Some(2 << 30));
    let mut judge = HeapJudge::new(Mono(0));
    for collection in collections {
        isolate.collection(collection, None);
        if collection.kind == GcKind::MarkCompact {
            judge.judge(&isolate, collection.end, &OLD);
        }
    }
    judge.finding().level
}

fn repeated() -> Vec<Collection> {
    let once: Vec<Collection> = TRACE.lines().skip(1).filter_map(parse).collect();
    let length = once.last().map_or(0, |c| c.end.0);
    let later =
        |c: &Collection, by: u64| Collection { start: Mono(c.start.0 + by), end: Mono(c.end.0 + by), ..*c };
    (0..REPEATS).flat_map(|i| once.iter().map(move |c| later(c, i * length))).collect()
}

/// A line of `end_ms,pause_us,kind,before_bytes,after_bytes`.
fn parse(line: &str) -> Option<Collection> {
    let mut fields = line.split(',');
    let mut number = |skip: usize| fields.nth(skip)?.parse::<u64>().ok();
    let (end_ms, pause_us) = (number(0)?, number(0)?);
    let (before_bytes, after_bytes) = (number(1), number(0));
    let kind = if line.contains("mark-compact") { GcKind::MarkCompact } else { GcKind::Scavenge };
    let end = Mono(end_ms * 1_000_000);
    Some(Collection {
        heap: 1,
        tid: 1,
        start: Mono(end.0.saturating_sub(pause_us * 1000)),
        end,
        kind,
        reason: 0,
        before_bytes,
        after_bytes,
        limit: None,
        compacted: None,
        marking_start: None,
    })
}

criterion_group!(benches, pipeline, verdict_of_a_full_ring);
criterion_main!(benches);

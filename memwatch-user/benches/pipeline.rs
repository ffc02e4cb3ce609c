//! How many collections a second go through the pipeline, from the bytes of the ring buffer to the verdict, by replay.
//!
//! A recorded process is repeated with time running on, to seventeen hours, so the ring of valleys is full for most of it.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use memwatch_common::event::{EventKind, GcEvent, gc_kind, seen};
use memwatch_user::{
    detect::{Circumstances, HeapJudge, Level, ProcessJudge},
    ingest::{self, What},
    model::{Collection, Descriptors, GcKind, MallocBooks, Mono, OutsideHeap, Reading, Resident},
    series::{Isolate, Isolates},
};

const TRACE: &str = include_str!("../tests/traces/debug-fixed.csv");
const REPEATS: u64 = 400;
const READINGS: u64 = 1000;
const OLD: Circumstances = Circumstances { age: Duration::from_secs(3600), lost_share: 0.0 };

fn pipeline(c: &mut Criterion) {
    let collections = repeated();
    let mut group = c.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(collections.len() as u64));
    group.bench_function("series", |b| b.iter(|| black_box(series(&collections))));
    group
        .bench_function("series and verdict", |b| b.iter(|| black_box(verdict(collections.iter().copied()))));
    let records: Vec<_> = collections.iter().map(record).collect();
    assert_eq!(decoded(&records).count(), collections.len(), "a record was not understood");
    // `cargo xtask bench` reads this one by its name.
    group.bench_function("bytes to verdict", |b| b.iter(|| black_box(verdict(decoded(&records)))));
    group.finish();
}

fn verdict_of_a_full_ring(c: &mut Criterion) {
    let isolate = series(&repeated());
    c.bench_function("one verdict", |b| {
        b.iter(|| HeapJudge::new(Mono(0)).judge(black_box(&isolate), Mono(u64::MAX), &OLD).level);
    });
}

/// A thousand seconds of a process whose every series grows: the dearest to judge. A reading each second, a judgement each.
fn process_verdict(c: &mut Criterion) {
    let mut group = c.benchmark_group("process");
    group.throughput(Throughput::Elements(READINGS));
    group.bench_function("readings to verdicts", |b| b.iter(|| black_box(judged_process().verdicts().len())));
    group.finish();
}

fn judged_process() -> ProcessJudge {
    let mut judge = ProcessJudge::new();
    for second in 0..READINGS {
        let isolates =
            Isolates { count: 1 + second / 20, live: Some(second << 16), reachable: None, allocated: 1e6 };
        judge.reading(&growing(second), &isolates);
        judge.judge(Mono(second * 1_000_000_000), &[], &OLD);
    }
    judge
}

fn growing(second: u64) -> Reading {
    let bytes = second << 20;
    Reading {
        at: Mono(second * 1_000_000_000),
        rss_anon: Some(5 * bytes),
        resident: Some(Resident { malloc: 3 * bytes, ..Resident::default() }),
        malloc: Some(MallocBooks { in_use: 2 * bytes, free: bytes, ..MallocBooks::default() }),
        outside: OutsideHeap { array_buffers: Some(bytes / 2), external: Some(bytes) },
        descriptors: Some(Descriptors {
            total: 9 * second,
            sockets: Some(4 * second),
            ..Descriptors::default()
        }),
        threads: Some(second),
        ..Reading::default()
    }
}

fn series(collections: &[Collection]) -> Isolate {
    let mut isolate = Isolate::new(1, 1, false, Mono(0), Some(2 << 30));
    for collection in collections {
        isolate.collection(collection, None);
    }
    isolate
}

fn verdict(collections: impl Iterator<Item = Collection>) -> Level {
    let mut isolate = Isolate::new(1, 1, false, Mono(0), Some(2 << 30));
    let mut judge = HeapJudge::new(Mono(0));
    for collection in collections {
        isolate.collection(&collection, None);
        if collection.kind == GcKind::MarkCompact {
            judge.judge(&isolate, collection.end, &OLD);
        }
    }
    judge.finding().level
}

fn decoded(records: &[[u8; size_of::<GcEvent>()]]) -> impl Iterator<Item = Collection> {
    records.iter().filter_map(|record| match ingest::decode(record).ok()?.what {
        What::Collection(collection) => Some(collection),
        _ => None,
    })
}

/// The bytes that the kernel side sends: a [`GcEvent`], field by field.
fn record(collection: &Collection) -> [u8; size_of::<GcEvent>()] {
    let kind = match collection.kind {
        GcKind::Scavenge => gc_kind::SCAVENGE,
        GcKind::MinorMark => gc_kind::MINOR_MARK,
        GcKind::MarkCompact => gc_kind::MARK_COMPACT,
    };
    let header = [EventKind::Gc as u32, 1, collection.tid, 0].map(u32::to_ne_bytes);
    let (before, after) = (collection.before_bytes.unwrap_or(0), collection.after_bytes.unwrap_or(0));
    let (end, start) = (collection.end.0, collection.start.0);
    // Behind the limit: what is outside of the heap, the start of marking, the stack.
    let words = [end, collection.heap, start, before, after, 16 << 20, 2 << 30, 0, 0, 0, 1];
    let codes = [collection.reason, 0, kind, 0, seen::BEFORE | seen::AFTER | seen::LIMIT, 0, 0, 0];
    let bytes = header.concat().into_iter().chain(words.map(u64::to_ne_bytes).concat()).chain(codes);
    let mut record = [0; size_of::<GcEvent>()];
    record.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    record
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
        stack: None,
        outside: OutsideHeap::default(),
    })
}

criterion_group!(benches, pipeline, verdict_of_a_full_ring, process_verdict);
criterion_main!(benches);

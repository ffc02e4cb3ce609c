//! Verdicts on whole processes of known behaviour: readings each second from a model, and who is blamed for what.

use std::time::Duration;

use memwatch_user::{
    detect::{Circumstances, Finding, Kind, Level, ProcessJudge, Resource, Verdict},
    model::{Descriptors, GcKind, MallocBooks, Mono, OutsideHeap, Reading, Resident},
    report::describe::reason::sentence,
    series::{Isolates, ProcessSeries},
};

use crate::{
    heaps::{MIB, mark_compact, mono, noise},
    held::Held,
};

/// A process, and what is to be said of it after `seconds`.
struct Program {
    name: &'static str,
    held: fn(f64) -> Held,
    seconds: f64,
    books: bool,
    /// The only kind that is ever called a leak, and the seconds within which it must be; `None` if none must.
    leak: Option<(Kind, f64)>,
    /// What the heap's own judge says from the 40th second on.
    heap: Level,
}

const BASE: Program =
    Program { name: "", held: Held::steady, seconds: 150.0, books: true, leak: None, heap: Level::Stable };

const PROGRAMS: &[Program] = &[
    Program { name: "a steady server", ..BASE },
    Program { name: "a steady server, for a day", seconds: 86_400.0, ..BASE },
    Program { name: "a steady server without books", books: false, ..BASE },
    Program {
        name: "8 files a second",
        held: |t| Held { files: 20.0 + 8.0 * t, ..Held::steady(t) },
        leak: Some((Kind::Fds, 40.0)),
        ..BASE
    },
    Program {
        name: "a file in 20 s, for three hours",
        held: |t| Held { files: 20.0 + (t / 20.0).floor(), ..Held::steady(t) },
        seconds: 10_800.0,
        leak: Some((Kind::Fds, 3600.0)),
        ..BASE
    },
    Program {
        name: "a database that opens its tables",
        held: |t| Held { files: 20.0 + 180.0 * (1.0 - (-t / 30.0).exp()), ..Held::steady(t) },
        ..BASE
    },
    Program {
        name: "5 sockets a second at the same load, 8 kB of heap for each",
        held: |t| Held { sockets: 30.0 + 5.0 * t, heap: 30.0 * MIB + 40e3 * t, ..Held::steady(t) },
        leak: Some((Kind::Fds, 110.0)),
        heap: Level::Leak,
        ..BASE
    },
    Program {
        name: "clients that come and work, 100 kB of heap for each",
        held: |t| Held {
            sockets: 30.0 + 5.0 * t,
            heap: 30.0 * MIB + 500e3 * t,
            native: 20.0 * MIB + 100e3 * t,
            allocated: 3.0 * MIB * t + 0.25 * MIB * t * t,
            ..Held::steady(t)
        },
        heap: Level::Leak,
        ..BASE
    },
    Program {
        name: "a worker in 4 s",
        held: |t| {
            let workers = (t / 4.0).floor();
            Held { workers, native: (20.0 + workers) * MIB, unseen: 5.0 * MIB * workers, ..Held::steady(t) }
        },
        leak: Some((Kind::Isolates, 80.0)),
        ..BASE
    },
    Program {
        name: "workers that come and go by the hundred",
        held: |t| Held { workers: 4.0 + 4.0 * noise(t), ..Held::steady(t) },
        ..BASE
    },
    Program {
        name: "a thread pool that starts",
        held: |t| Held { workers: if t > 50.0 { 32.0 } else { 0.0 }, ..Held::steady(t) },
        ..BASE
    },
    Program {
        name: "700 kB of buffers a second with their wrappers",
        held: |t| Held {
            buffers: 4.0 * MIB + 7e5 * t,
            heap: 30.0 * MIB + 3e4 * t,
            native: 20.0 * MIB + 8e4 * t,
            collect_every: 45.0,
            ..Held::steady(t)
        },
        leak: Some((Kind::External, 130.0)),
        heap: Level::Leak,
        ..BASE
    },
    Program {
        name: "a single mark-compact shows that buffers stay",
        held: |t| Held { buffers: 4.0 * MIB + 5e5 * t, collect_every: 72.0, ..Held::steady(t) },
        leak: Some((Kind::External, 130.0)),
        ..BASE
    },
    Program {
        name: "buffers that only a mark-compact takes back",
        held: |t| Held { buffers: 4.0 * MIB + 5e5 * (t % 70.0), collect_every: 70.0, ..Held::steady(t) },
        ..BASE
    },
    Program {
        name: "buffers, and no mark-compact in sight",
        held: |t| Held { buffers: 4.0 * MIB + 5e5 * t, collect_every: 1e9, ..Held::steady(t) },
        ..BASE
    },
    Program {
        name: "a cache of buffers that fills",
        held: |t| Held { buffers: 4.0 * MIB + 8e5 * t.min(70.0), ..Held::steady(t) },
        ..BASE
    },
    Program {
        name: "native, 100 kB/s",
        held: |t| Held { native: 20.0 * MIB + 1e5 * t, ..Held::steady(t) },
        leak: Some((Kind::Native, 130.0)),
        ..BASE
    },
    Program {
        name: "native, 1 MB/h for a day",
        held: |t| Held { native: 20.0 * MIB + 1e6 / 3600.0 * t + MIB * noise(t).abs(), ..Held::steady(t) },
        seconds: 86_400.0,
        leak: Some((Kind::Native, 60_000.0)),
        ..BASE
    },
    Program {
        name: "native that a mark-compact takes back",
        held: |t| Held { native: 20.0 * MIB + 2e5 * (t % 50.0), collect_every: 50.0, ..Held::steady(t) },
        ..BASE
    },
    Program {
        name: "native without books, 1 MB/s",
        held: |t| Held { native: 20.0 * MIB + 1e6 * t, ..Held::steady(t) },
        books: false,
        leak: Some((Kind::Native, 140.0)),
        ..BASE
    },
    Program {
        name: "another allocator's, 1 MB/s",
        held: |t| Held { unseen: 1e6 * t, ..Held::steady(t) },
        leak: Some((Kind::Native, 140.0)),
        ..BASE
    },
    Program {
        name: "fragmentation",
        held: |t| Held { slack: 5.0 * MIB + 5e5 * t, ..Held::steady(t) },
        ..BASE
    },
    Program {
        name: "fragmentation without books that slows down",
        held: |t| Held { slack: 5.0 * MIB + 45.0 * MIB * (1.0 - (-t / 40.0).exp()), ..Held::steady(t) },
        books: false,
        ..BASE
    },
    Program {
        name: "fragmentation without books, by leaps",
        held: |t| Held { slack: 5.0 * MIB + 8.0 * MIB * (t / 18.0).floor(), ..Held::steady(t) },
        books: false,
        ..BASE
    },
    Program {
        name: "a leak that is stopped half of the time",
        held: |t| {
            let ran = (t / 20.0).floor() * 10.0 + (t % 20.0).min(10.0);
            Held { files: 20.0 + 8.0 * ran, suspended: t % 20.0 > 10.0, ..Held::steady(t) }
        },
        leak: Some((Kind::Fds, 80.0)),
        ..BASE
    },
    Program {
        name: "a load of the day that everything follows",
        held: |t| {
            let load = 1.0 - (t / 86_400.0 * std::f64::consts::TAU).cos();
            Held {
                sockets: 30.0 + 200.0 * load,
                files: 20.0 + 40.0 * load,
                buffers: (4.0 + 40.0 * load) * MIB,
                native: (20.0 + 40.0 * load) * MIB,
                allocated: 3.0 * MIB * (2.0 * t - 13_751.0 * (t / 13_751.0).sin()),
                ..Held::steady(t)
            }
        },
        seconds: 86_400.0,
        ..BASE
    },
];

#[test]
fn each_program_gets_its_verdict() {
    let wrong: Vec<String> = PROGRAMS.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with the verdicts on `program`.
fn wrong(program: &Program) -> Option<String> {
    let (leaks, last) = watched(program);
    let right = match (program.leak, leaks.as_slice()) {
        (None, []) => true,
        (Some((kind, within)), [(found, at)]) => *found == kind && *at <= within,
        _ => false,
    };
    (!right).then(|| format!("{}: {leaks:?}{last}", program.name))
}

/// The kinds that were called leaks with the seconds when they were, and the verdicts at the end in words.
fn watched(program: &Program) -> (Vec<(Kind, f64)>, String) {
    let mut judge = ProcessJudge::new();
    let quiet = Finding { level: Level::Stable, ..Finding::nothing_yet(Mono(0)) };
    let heap = Finding { level: program.heap, rate: Some(1e8), ..quiet.clone() };
    let circumstances = Circumstances { age: Duration::from_secs(600), lost_share: 0.0 };
    let step = if program.seconds > 600.0 { 20.0 } else { 1.0 };
    let (mut leaks, mut t, mut collected): (Vec<(Kind, f64)>, f64, f64) = (Vec::new(), 0.0, 0.0);
    while t < program.seconds {
        let held = (program.held)(t);
        if t - collected >= held.collect_every {
            judge.collection(&mark_compact(t - 0.5, held.heap + 9.0 * MIB, held.heap));
            collected = t;
        }
        judge.reading(&held.reading(t, program.books), &held.isolates());
        for verdict in judge.judge(mono(t), &[(1, if t < 40.0 { &quiet } else { &heap })], &circumstances) {
            if verdict.finding.level == Level::Leak && !leaks.iter().any(|leak| leak.0 == verdict.kind) {
                leaks.push((verdict.kind, t));
            }
        }
        t += step;
    }
    let words = |verdict: &Verdict| {
        let (kind, finding) = (verdict.kind, &verdict.finding);
        let reasons: Vec<String> =
            finding.reasons.iter().map(|reason| sentence(reason, finding.unit)).collect();
        format!("\n  {kind:?} {} since {:?}: {reasons:#?}", finding.level.word(), finding.since)
    };
    (leaks, judge.verdicts().iter().map(words).collect())
}

#[test]
fn companions_are_told_with_what_each_brings() {
    let (_, last) = watched(&PROGRAMS[6]);
    assert!(last.contains("explained by the growth in file descriptors (8.0 kB each)"), "{last}");
}

/// Whether native memory is ever said to grow beside a heap of which nothing is known yet.
fn native_grows(held: impl Fn(f64) -> Held) -> bool {
    let mut judge = ProcessJudge::new();
    let nothing_yet = Finding::nothing_yet(Mono(0));
    let circumstances = Circumstances { age: Duration::from_secs(600), lost_share: 0.0 };
    let mut grows = false;
    for second in 0..100 {
        let t = f64::from(second);
        let held = held(t);
        judge.reading(&held.reading(t, true), &held.isolates());
        let verdicts = judge.judge(mono(t), &[(1, &nothing_yet)], &circumstances);
        let is_it =
            |verdict: &Verdict| verdict.kind == Kind::Native && verdict.finding.level >= Level::Growing;
        grows |= verdicts.iter().any(is_it);
    }
    grows
}

/// V8 keeps books of each page of its heaps in memory of malloc: they grow before enough full collections tell of the heap.
#[test]
fn what_v8_takes_from_malloc_for_its_heaps_is_no_growth_of_its_own() {
    let beside = |share: f64| {
        let grown = |t: f64| 40.0 * MIB * t;
        native_grows(move |t| Held {
            heap: 30.0 * MIB + grown(t),
            native: 20.0 * MIB + share * grown(t),
            ..Held::steady(t)
        })
    };
    assert!(!beside(0.007), "Node 22");
    assert!(!beside(0.04), "Node 26");
    assert!(beside(0.2), "more than books");
    assert!(native_grows(|t| Held { native: 20.0 * MIB + 0.3 * MIB * t, ..Held::steady(t) }), "alone");
}

#[test]
fn what_is_used_up_first_is_named() {
    let mut judge = ProcessJudge::new();
    let circumstances = Circumstances { age: Duration::from_secs(600), lost_share: 0.0 };
    for second in 0..150 {
        let t = f64::from(second);
        let held = Held { native: 20.0 * MIB + 1e6 * t, files: 20.0 + 8.0 * t, ..Held::steady(t) };
        judge.reading(&held.reading(t, true), &held.isolates());
        judge.judge(mono(t), &[], &circumstances);
    }
    let end = |kind: Kind| {
        let verdict = judge.verdicts().iter().find(|verdict| verdict.kind == kind);
        verdict
            .and_then(|verdict| verdict.finding.exhaustion)
            .unwrap_or_else(|| panic!("{:#?}", judge.verdicts()))
    };
    let (native, files) = (end(Kind::Native), end(Kind::Fds));
    assert_eq!((native.of, files.of), (Resource::Cgroup, Resource::FdLimit));
    assert!((native.earliest_s - 4080.0).abs() < 200.0, "{native:?}");
    assert!((files.earliest_s - 8000.0).abs() < 200.0, "{files:?}");
}

/// Whatever a process says of itself, no figure of a verdict is one that cannot be printed or reckoned with.
#[test]
fn absurd_readings_make_no_absurd_verdicts() {
    let mut judge = ProcessJudge::new();
    let circumstances = Circumstances { age: Duration::ZERO, lost_share: 0.0 };
    let wild = [0, 1, u64::MAX, 1 << 40, u64::MAX / 2];
    let mut claims = 0;
    for i in 0..2000_usize {
        let value = |n: usize| Some(wild[(i * 7 + n * i) % wild.len()]);
        // Now and then a clock that steps back.
        let second = if i % 9 == 0 { i as u64 / 2 } else { i as u64 };
        let reading = Reading {
            at: Mono(second * 1_000_000_000),
            rss_anon: value(1),
            swap: value(2),
            resident: value(3).map(|x| Resident { v8_heap: x, malloc: x, ..Resident::default() }),
            malloc: value(4).map(|x| MallocBooks { in_use: x, ..MallocBooks::default() }),
            outside: OutsideHeap { array_buffers: value(5), external: value(6) },
            // One that grows beside it all.
            descriptors: Some(Descriptors { total: i as u64, sockets: value(8), ..Descriptors::default() }),
            threads: value(9),
            suspended: i % 50 == 0,
            ..Reading::default()
        };
        let isolates = Isolates { count: wild[i % 5], live: value(1), reachable: None, allocated: f64::NAN };
        judge.reading(&reading, &isolates);
        for verdict in judge.judge(reading.at, &[], &circumstances) {
            let Finding { rate, rate_interval, confidence, exhaustion, .. } = &verdict.finding;
            let ends = rate_interval.iter().flatten().flatten();
            assert!(rate.iter().chain(ends).all(|rate| rate.is_finite()), "{verdict:?}");
            assert!(confidence.is_none_or(|share| (0.0..=1.0).contains(&share)), "{verdict:?}");
            assert!(
                exhaustion.is_none_or(|end| end.earliest_s.is_finite() && end.earliest_s >= 0.0),
                "{verdict:?}"
            );
            claims += usize::from(rate.is_some());
        }
    }
    assert!(claims > 100, "nothing was judged");
}

#[test]
fn a_collection_tells_of_buffers_where_no_reading_does() {
    let mut series = ProcessSeries::default();
    for second in 0..20 {
        let t = f64::from(second);
        series.reading(&Reading { at: mono(t), ..Reading::default() }, &Isolates::default());
        let outside = OutsideHeap { array_buffers: Some(7), external: Some(9) };
        let kind = GcKind::Scavenge;
        series.collection(&memwatch_user::model::Collection { outside, kind, ..mark_compact(t, 2.0, 1.0) });
    }
    let lows: Vec<f64> = series.external.buckets.closed().iter().map(|low| low.1).collect();
    assert_eq!(lows, [9.0; 7]);
}

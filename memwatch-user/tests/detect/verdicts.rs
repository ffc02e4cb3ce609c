//! The verdict on heaps of known behaviour: a table of programs, each run through a small model of V8's growing policy.

use crate::heaps::{Heap, MIB, noise, verdicts};
use memwatch_user::detect::Level;

/// A program: what it keeps alive at each second, what garbage it makes, how long it is watched and how old it was.
struct Program {
    name: &'static str,
    live: fn(f64) -> f64,
    garbage_per_s: f64,
    watched_s: f64,
    age_s: f64,
    /// Seconds within which it must be called a leak; `None` if it never must be.
    leak_within: Option<f64>,
    last: &'static [Level],
}

const LEAK: &[Level] = &[Level::Leak];
const CALM: &[Level] = &[Level::Stable];
const UNSURE: &[Level] = &[Level::Stable, Level::Growing, Level::Inconclusive];

const PROGRAMS: &[Program] = &[
    Program {
        name: "3 MiB/s from the start",
        live: |t| (5.0 + 3.0 * t) * MIB,
        garbage_per_s: 3.0 * MIB,
        watched_s: 100.0,
        age_s: 0.0,
        leak_within: Some(60.0),
        last: LEAK,
    },
    Program {
        name: "1 MiB/s under twenty times the churn",
        live: |t| (30.0 + t) * MIB + noise(t) * MIB,
        garbage_per_s: 20.0 * MIB,
        watched_s: 300.0,
        age_s: 900.0,
        leak_within: Some(150.0),
        last: LEAK,
    },
    Program {
        name: "300 KiB/s in an old process",
        live: |t| (50.0 + 0.3 * t) * MIB,
        garbage_per_s: 0.5 * MIB,
        watched_s: 900.0,
        age_s: 86_400.0,
        leak_within: Some(600.0),
        last: LEAK,
    },
    Program {
        name: "2 MiB/h over a day",
        live: |t| (50.0 + 2.0 * t / 3600.0) * MIB + 0.2 * noise(t) * MIB,
        garbage_per_s: 0.2 * MIB,
        watched_s: 86_400.0,
        age_s: 86_400.0,
        leak_within: Some(43_200.0),
        last: LEAK,
    },
    Program {
        name: "a table that doubles, and its entries",
        live: |t| 8.0 * MIB + 2000.0 * t * 120.0 + 16.0 * 2.0_f64.powf((2000.0 * t + 16.0).log2().ceil()),
        garbage_per_s: MIB,
        watched_s: 300.0,
        age_s: 100.0,
        leak_within: Some(200.0),
        last: LEAK,
    },
    Program {
        name: "nothing but noise",
        live: |t| (40.0 + noise(t)) * MIB,
        garbage_per_s: 5.0 * MIB,
        watched_s: 600.0,
        age_s: 0.0,
        leak_within: None,
        last: CALM,
    },
    Program {
        name: "a warm-up",
        live: |t| (5.0 + 30.0 * (1.0 - (-t / 8.0).exp())) * MIB,
        garbage_per_s: 4.0 * MIB,
        watched_s: 300.0,
        age_s: 0.0,
        leak_within: None,
        last: CALM,
    },
    Program {
        name: "a cache that fills for a minute and stays full",
        live: |t| (6.0 + 0.25 * t.min(60.0)) * MIB,
        garbage_per_s: 0.3 * MIB,
        watched_s: 600.0,
        age_s: 0.0,
        leak_within: None,
        last: UNSURE,
    },
    Program {
        name: "batches that are flushed every 12 s",
        live: |t| (4.0 + t % 12.0) * MIB,
        garbage_per_s: 2.0 * MIB,
        watched_s: 300.0,
        age_s: 0.0,
        leak_within: None,
        last: CALM,
    },
    Program {
        name: "days of ten minutes",
        live: |t| (40.0 + 15.0 * (t / 600.0 * std::f64::consts::TAU).sin()) * MIB,
        garbage_per_s: 3.0 * MIB,
        watched_s: 3000.0,
        age_s: 1000.0,
        leak_within: None,
        last: UNSURE,
    },
    Program {
        name: "one batch of 100 MiB that stays",
        live: |t| (20.0 + 100.0 * ((t - 60.0) / 4.0).clamp(0.0, 1.0)) * MIB,
        garbage_per_s: 3.0 * MIB,
        watched_s: 600.0,
        age_s: 1000.0,
        leak_within: None,
        last: CALM,
    },
    Program {
        name: "three data sets, one after the other",
        live: |t| (15.0 + 10.0 * (t / 25.0).floor().min(2.0)) * MIB,
        garbage_per_s: 2.0 * MIB,
        watched_s: 300.0,
        age_s: 0.0,
        leak_within: None,
        last: CALM,
    },
];

#[test]
fn each_program_gets_its_verdict() {
    for p in PROGRAMS {
        let seen = verdicts(Heap::run(p.live, p.garbage_per_s, p.watched_s), p.watched_s, p.age_s);
        let leak = seen.iter().find(|v| v.1 == Level::Leak).map(|v| v.0);
        match (p.leak_within, leak) {
            (Some(within), Some(at)) => assert!(at <= within, "{}: only after {at:.0} s", p.name),
            (expected, found) => assert_eq!(expected.is_some(), found.is_some(), "{}: {seen:?}", p.name),
        }
        let last = seen.last().map(|v| v.1);
        assert!(last.is_some_and(|level| p.last.contains(&level)), "{}: ends {last:?}, {seen:?}", p.name);
    }
}

#[test]
fn what_only_falls_is_never_even_growing() {
    for rate in [0.0, 0.001, 0.1, 1.0] {
        let heap = Heap::run(|t| (400.0 - rate * t).max(5.0) * MIB, 20.0 * MIB, 600.0);
        let seen = verdicts(heap, 600.0, 0.0);
        assert!(seen.iter().all(|v| v.1 <= Level::Stable), "{rate}: {seen:?}");
    }
}

#[test]
fn a_leak_that_is_mended_is_taken_back() {
    let heap = Heap::run(|t| (5.0 + 3.0 * t.min(60.0)) * MIB, 20.0 * MIB, 900.0);
    let seen = verdicts(heap, 900.0, 0.0);
    assert!(seen.iter().any(|v| v.1 == Level::Leak));
    assert_eq!(seen.last().map(|v| v.1), Some(Level::Stable), "{seen:?}");
}

#[test]
fn other_levels_of_noise_and_churn_raise_no_alarm() {
    for seed in 0..40_u32 {
        let (amplitude, phase) = (f64::from(seed % 20), f64::from(seed) * 1000.0);
        let live = |t: f64| (30.0 + amplitude * noise(t + phase)) * MIB;
        let seen = verdicts(Heap::run(live, f64::from(seed + 10) * 0.3 * MIB, 600.0), 600.0, 500.0);
        assert!(seen.iter().all(|v| v.1 != Level::Leak), "seed {seed}: {seen:?}");
    }
}

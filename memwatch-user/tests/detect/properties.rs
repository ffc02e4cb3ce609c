//! What must hold for every series: drawn ones, each from the number of its case, so that a failure can be run again.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times and sizes of a model: above zero and below 2^53"
)]

use std::time::Duration;

use crate::heaps::{Heap, LIMIT, MIB, leak, mark_compact, noise, verdicts, verdicts_below};
use memwatch_user::{
    detect::{Circumstances, HeapJudge, Level, trend::Trend},
    model::Mono,
    series::Isolate,
};

const OLD: Circumstances = Circumstances { age: Duration::from_secs(86_400), lost_share: 0.0 };

/// Between `low` and `high`, evenly over the orders of magnitude; each case and each name is another draw.
fn draw(case: u32, name: u32, low: f64, high: f64) -> f64 {
    let uniform = noise(f64::from(case * 64 + name) * 7.0).midpoint(1.0);
    low * (high / low).powf(uniform)
}

/// Mark-compacts at drawn times of a heap of `live(t)` bytes.
fn heap(case: u32, seconds: f64, live: impl Fn(f64) -> f64) -> Heap {
    let every = draw(case, 0, seconds / 200.0, seconds / 30.0);
    let times = (1..).map(|i| every * (f64::from(i) + 0.3 * noise(f64::from(i + case * 1000))));
    let size = |t: f64| mark_compact(t, live(t) * 1.2 + MIB, live(t));
    Heap(times.take_while(|t| *t < seconds).map(size).collect())
}

#[test]
fn bytes_have_no_unit() {
    for case in 0..20 {
        let (base, rate) = (draw(case, 1, 300.0, 600.0) * MIB, draw(case, 2, 0.005, 1.0) * MIB);
        let run = |scale: f64| {
            let live = |t: f64| scale * (base + rate * t + 0.002 * base * noise(t));
            let limit = (LIMIT as f64 * scale) as u64;
            let called = leak(&verdicts_below(heap(case, 40_000.0, live), 40_000.0, 1e5, limit));
            called.map(|at| at as u64)
        };
        let plain = run(1.0);
        assert!(plain.is_some(), "case {case}");
        assert_eq!([run(2.0), run(8.0)], [plain; 2], "case {case}");
    }
}

#[test]
fn it_does_not_matter_when_the_clock_began() {
    for case in 0..20 {
        let rate = draw(case, 1, 0.01, 2.0) * MIB;
        let levels = |shift: u64| {
            let mut isolate = Isolate::new(1, 1, false, Mono(shift), Some(LIMIT));
            let mut judge = HeapJudge::new(Mono(shift));
            let seen = heap(case, 900.0, |t| 20.0 * MIB + rate * t).0.into_iter().map(|mut c| {
                (c.start, c.end) = (Mono(c.start.0 + shift), Mono(c.end.0 + shift));
                isolate.collection(&c, None);
                judge.judge(&isolate, c.end, &OLD).level
            });
            seen.collect::<Vec<_>>()
        };
        assert_eq!(levels(0), levels(1 << 60), "case {case}");
    }
}

#[test]
fn the_unit_of_time_and_the_order_of_ties_change_no_trend() {
    for case in 0..50 {
        let n = draw(case, 0, 5.0, 60.0) as u32;
        let point =
            |i: u32| (f64::from(i / 2), (10.0 * noise(f64::from(case * 100 + i))).round() + f64::from(i));
        let points: Vec<(f64, f64)> = (0..n).map(point).collect();
        let mut swapped = points.clone();
        swapped.chunks_exact_mut(2).for_each(<[_]>::reverse);
        let minutes: Vec<(f64, f64)> = points.iter().map(|p| (p.0 * 64.0, p.1)).collect();
        let of = |points: &[(f64, f64)], unit: f64| {
            let trend = Trend::of(points).unwrap();
            (trend.s, trend.tau, (trend.slope * unit * 1e9).round())
        };
        assert_eq!(of(&points, 1.0), of(&swapped, 1.0), "case {case}");
        assert_eq!(of(&points, 1.0), of(&minutes, 64.0), "case {case}");
    }
}

#[test]
fn what_never_rises_never_leaks() {
    for case in 0..40 {
        let (base, seconds) = (draw(case, 1, 5.0, 1500.0) * MIB, draw(case, 2, 100.0, 1e6));
        let step = draw(case, 3, 1.0, 50.0);
        let live = |t: f64| base * (1.0 - 0.9 * (t / seconds * step).floor() / step);
        let seen = verdicts(heap(case, seconds, live), seconds, 1e5);
        assert!(seen.iter().all(|v| v.1 < Level::Growing), "case {case}: {seen:?}");
    }
}

#[test]
fn gaps_make_no_leak_and_hide_none() {
    for case in 0..20 {
        let lossy = |rate: f64| {
            let mut heap = heap(case, 4000.0, |t| (50.0 + noise(t)) * MIB + rate * t);
            heap.0.retain(|c| {
                noise(c.end.seconds() * 3.0) > -0.2 && !(500.0..900.0).contains(&c.end.seconds())
            });
            leak(&verdicts(heap, 4000.0, 1e5))
        };
        assert_eq!((lossy(0.0), lossy(0.5 * MIB).is_some()), (None, true), "case {case}");
    }
}

#[test]
fn a_clock_that_steps_back_and_absurd_sizes_are_survived() {
    for case in 0..30 {
        let mut isolate =
            Isolate::new(1, 1, false, Mono(1 << 40), [None, Some(0), Some(u64::MAX)][case as usize % 3]);
        let mut judge = HeapJudge::new(Mono(1 << 40));
        for i in 0..200 {
            let pick = |name: u32| noise(f64::from(case * 10_000 + i * 8 + name)).midpoint(1.0);
            let size = |name: u32| [0, 1, 1 << 20, 1 << 40, u64::MAX][(pick(name) * 5.0) as usize % 5];
            let mut c = mark_compact(1.0, 0.0, 0.0);
            (c.before_bytes, c.after_bytes) = (Some(size(1)), Some(size(2)));
            c.end = Mono([0, u64::MAX, 1 << 41, (pick(3) * 1e15) as u64][(pick(4) * 4.0) as usize % 4]);
            isolate.collection(&c, None);
            let finding = judge.judge(&isolate, c.end, &OLD);
            assert!(finding.rate.is_none_or(f64::is_finite), "case {case}: {finding:?}");
            assert!(isolate.valleys.points().is_sorted_by(|a, b| a.t <= b.t), "case {case}");
        }
    }
}

#[test]
fn workers_that_come_and_go_leave_nothing_behind() {
    for serial in 0..200_000_u32 {
        let since = Mono(u64::from(serial) * 1_000_000);
        let mut isolate = Isolate::new(serial, serial, true, since, Some(LIMIT));
        let mut judge = HeapJudge::new(since);
        isolate.collection(&mark_compact(f64::from(serial), 9.0 * MIB, 5.0 * MIB), None);
        let now = Mono(since.0 + 900_000_000);
        assert_eq!(judge.judge(&isolate, now, &OLD).level, Level::Inconclusive);
    }
}

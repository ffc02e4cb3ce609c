//! Does the growth have the shape of a leak? One test a question, each with its numbers.
//!
//! The thresholds come from a pilot on 97 traces of real leaks, their fixes and look-alikes. Two more questions, whether
//! the growth follows the load and whether it follows the hour of the day, need other series and longer times.

use super::{
    basis::Basis,
    patience,
    shape::Shape,
    trend::{Point, Trend, Z_95},
};
use crate::vocabulary::{
    Question, Reason, Seen,
    reason::{Independent, Retained, Spread},
};

/// Bytes in a MiB.
const MIB: f64 = 1_048_576.0;
/// From so many points on the stricter probability applies, and so on.
const SEVERAL: usize = 8;
/// From so many points on a trend may hide in more noise.
const MANY: usize = 16;

/// See [`spread`]: so many steps, for this share of the growth, are data sets.
const FEW_STEPS: usize = 3;
/// See [`FEW_STEPS`].
const STEPS_SHARE: f64 = 0.8;
/// See [`retention`].
const CLEAR_POINTS: usize = 12;
/// See [`retention`].
const CLEAR_TAU: f64 = 0.8;
/// What rises all day long does not follow the hour.
const DAY_S: f64 = 86_400.0;
/// Where points are few, the last must add this share of what the line does: the first of a plateau is seen there only.
const FRESH: f64 = 0.25;
/// See [`is_plain`]: bytes a second, about 1 GB an hour. What follows the load of the day is slower: a gigabyte that comes
/// and goes with it rises by a third of this at the most.
const PLAIN_SLOPE: f64 = MIB / 4.0;

/// A rate of allocation that has risen by no more than this is even.
const STEADY_LOAD: f64 = 0.15;

/// All questions that are asked of a heap.
pub const QUESTIONS: [Question; 8] = [
    Question::Significant,
    Question::Ratchet,
    Question::Persistent,
    Question::Material,
    Question::Spread,
    Question::Retained,
    Question::Independent,
    Question::Lasting,
];

/// All questions, asked of `shape`.
#[must_use]
pub fn all(basis: Basis, shape: &Shape) -> [Reason; 8] {
    let retained = match basis {
        Basis::FullCollections => retention,
        Basis::Takes | Basis::TakesOfHolder => reachability,
    };
    [
        significance(shape),
        ratchet(shape),
        persistence(shape),
        materiality(shape),
        spread(shape),
        retained(shape),
        independence(shape),
        patience::gate(basis, shape),
    ]
}

/// Is it more than chance? Five points must all rise; more points may have some disorder.
fn significance(shape: &Shape) -> Reason {
    let trend = &shape.trend;
    let (p_max, tau_min) = match trend.n {
        n if n >= MANY => (0.0014, 0.5),
        n if n >= SEVERAL => (0.0014, 0.7),
        _ => (0.0084, 0.7),
    };
    let rises = trend.interval(Z_95)[0].is_some_and(|low| low > 0.0);
    let beyond_chance = trend.p <= p_max && trend.tau >= tau_min && rises;
    let pass = beyond_chance || is_plain(shape);
    Reason::test(significant(trend), pass)
}

/// How a trend differs from chance.
pub(super) fn significant(trend: &Trend) -> Seen {
    Seen::Significant { points: trend.n as u64, tau: trend.tau, p: trend.p }
}

/// Where the heap grows fast, or for a day, a line is no chance however its points resemble their neighbours (27
/// mark-compacts of the demo were called chance).
fn is_plain(shape: &Shape) -> bool {
    (shape.trend.slope >= PLAIN_SLOPE || shape.span() >= DAY_S) && shape.trend.is_line(shape.span())
}

/// Does it never come back? The lowest of each third must be above the lowest of the third before it.
fn ratchet(shape: &Shape) -> Reason {
    let lows = lows_of_thirds(&shape.points);
    Reason::test(Seen::Ratchet { lows }, is_ratchet(lows, shape.trend.noise))
}

/// The lowest values of the oldest, the middle and the newest third of `points`.
pub(super) fn lows_of_thirds(points: &[Point]) -> [f64; 3] {
    let (third, rest) = (points.len() / 3, points.len() - points.len() / 3);
    let lowest = |part: &[Point]| part.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    [lowest(&points[..third]), lowest(&points[third..rest]), lowest(&points[rest..])]
}

/// Whether each is above the one before, the newest by more than the noise.
pub(super) fn is_ratchet(lows: [f64; 3], noise: f64) -> bool {
    lows[1] > lows[0] && lows[2] > lows[1] + noise
}

/// Does it go on? A fill, a warm-up and a cache that warms slow down.
fn persistence(shape: &Shape) -> Reason {
    let goes_on = shape.points.len() >= MANY || shape.freshness() > FRESH;
    let pass = shape.late > 0.5 * shape.early && shape.persistence() > 0.4 && goes_on;
    let (older_per_hour, newer_per_hour) = (hourly(shape.early), hourly(shape.late));
    Reason::test(Seen::Persistent { older_per_hour, newer_per_hour, end_per_hour: None }, pass)
}

/// Is it enough to matter: beside the heap it started from, or, watched for an hour, beside the noise?
fn materiality(shape: &Shape) -> Reason {
    let (rise, base) = (shape.rise(), shape.first().1);
    let at_once = matters(rise, base);
    let in_time = shape.span() >= 3600.0 && rise > MIB && rise > 6.0 * shape.trend.noise;
    Reason::test(Seen::Material { growth: rise, base }, at_once || in_time)
}

/// Whether a rise by so much, from `base`, is enough to matter whatever time it took.
pub(super) fn matters(rise: f64, base: f64) -> bool {
    rise > 3.0 * MIB && rise > 0.15 * base
}

/// Is it spread over the time? Data sets that are loaded make a step each; a leak makes many, as does one in a table that
/// doubles or of a job that runs every hour. Within an hour a leak may have had few mark-compacts to show its steps in.
fn spread(shape: &Shape) -> Reason {
    let mut rises: Vec<f64> = shape.points.windows(2).map(|w| w[1].1 - w[0].1).collect();
    rises.sort_unstable_by(|a, b| b.total_cmp(a));
    let growth = shape.last().1 - shape.first().1;
    let summed = rises.iter().scan(0.0, |sum, rise| {
        *sum += rise;
        Some(*sum)
    });
    let steps = 1 + summed.take_while(|sum| *sum < STEPS_SHARE * growth).count();
    let pass = shape.span() < 3600.0 || steps > FEW_STEPS;
    let seen = Spread::Steps { steps: steps as u64, rises: rises.len() as u64 };
    Reason::test(Seen::Spread(seen), pass)
}

/// Does what comes stay? In healthy processes mark-compacts take nearly all of it back; where a leak hides in heavy
/// churn, many points and a clear trend stand in.
fn retention(shape: &Shape) -> Reason {
    let clear = shape.points.len() >= CLEAR_POINTS && shape.trend.tau >= CLEAR_TAU;
    let pass = shape.retention.is_some_and(|s| s > 0.08) || clear;
    Reason::test(Seen::Retained(Retained::Share { retained_share: shape.retention }), pass)
}

/// What is reachable stays: garbage is not counted.
fn reachability(shape: &Shape) -> Reason {
    let takes = shape.measured as u64;
    Reason::test(Seen::Retained(Retained::Reachable { takes }), true)
}

/// Does it grow by more than the load does? A heap that is all open requests grows as the load does, and no heap grows
/// faster than that by load alone.
fn independence(shape: &Shape) -> Reason {
    let growth = shape.rise() / shape.first().1.max(1.0);
    let pass = shape.load <= STEADY_LOAD || growth > shape.load;
    let seen = Independent::Growth { growth_share: growth, load_share: shape.load };
    Reason::test(Seen::Independent(seen), pass)
}

/// An hour's worth of a rate a second.
pub(super) const fn hourly(rate: f64) -> f64 {
    rate * 3600.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Valley;

    /// The questions that the heap of `ys` MiB every ten seconds does not pass, but for the one about time.
    fn failed(retention: f32, ys: &[f64]) -> Vec<Question> {
        let valley = |(i, y): (usize, &f64)| Valley {
            t: 10.0 * i as f64,
            after: y * MIB,
            retention: Some(retention),
            ..Valley::default()
        };
        let valleys: Vec<Valley> = ys.iter().enumerate().map(valley).collect();
        let shape = Shape::of(&valleys, 1e6, None).unwrap();
        let failed = all(Basis::FullCollections, &shape).into_iter().filter(|answer| !answer.passes());
        failed.filter_map(|answer| answer.question()).filter(|asked| *asked != Question::Lasting).collect()
    }

    #[test]
    fn a_straight_line_with_a_slow_wobble_is_not_chance() {
        let wobble = |i: u32| 10.0 + 3.0 * f64::from(i) + 2.0 * (f64::from(i) / 5.0).sin();
        let line: Vec<f64> = (0..32).map(wobble).collect();
        assert_eq!(failed(0.7, &line), []);
    }

    #[test]
    fn each_gate_stops_what_it_is_there_for() {
        use Question::{Material, Persistent, Ratchet, Retained, Significant};
        for (name, retention, ys, stopped_by) in [
            ("a leak", 0.7, &[10.0, 12.0, 14.0, 16.0, 18.0, 20.0][..], &[][..]),
            ("a small rise", 0.7, &[10.0, 10.1, 10.2, 10.3, 10.4, 10.5], &[Material]),
            ("a small rise of a large heap", 0.7, &[900.0, 904.0, 908.0, 912.0, 916.0], &[Material]),
            ("churn", 0.01, &[10.0, 12.0, 14.0, 16.0, 18.0, 20.0], &[Retained]),
            ("a fill", 0.7, &[10.0, 15.0, 20.0, 20.1, 20.2, 20.3], &[Ratchet, Persistent]),
            ("a step", 0.7, &[10.0, 10.1, 10.2, 10.3, 30.4, 30.5, 30.6, 30.7], &[Persistent]),
            ("a table that doubles", 0.7, &[10.0, 11.0, 12.0, 13.0, 22.0, 23.0, 24.0, 25.0], &[]),
        ] {
            assert_eq!(failed(retention, ys), stopped_by, "{name}");
        }
        let sawtooth = failed(0.5, &[10.0, 15.0, 20.0, 10.0, 15.0, 20.0, 10.0, 15.0]);
        assert!([Significant, Ratchet].iter().all(|asked| sawtooth.contains(asked)), "{sawtooth:?}");
    }

    #[test]
    fn many_clear_points_stand_in_for_retention() {
        let line: Vec<f64> = (0..30).map(|i| 20.0 + f64::from(i)).collect();
        assert_eq!(failed(0.01, &line), []);
    }

    #[test]
    fn three_data_sets_in_a_day_are_not_spread_and_hourly_jobs_are() {
        let answer = |every: f64| {
            let size = |hour: f64| MIB * (100.0 + every * 5.0 * (hour / every).floor());
            let valley =
                |i: u32| Valley { t: f64::from(i) * 3600.0, after: size(f64::from(i)), ..Valley::default() };
            spread(&Shape::of(&(0..24).map(valley).collect::<Vec<_>>(), 1e6, None).unwrap()).passes()
        };
        assert_eq!([1.0, 3.0, 7.0].map(answer), [true, true, false]);
    }

    #[test]
    fn what_grows_no_faster_than_its_load_is_not_independent() {
        let answer = |growth: f64| {
            // Twice the allocation in the end, and `growth` times the heap.
            let valley = |i: u32| {
                let part = f64::from(i) / 11.0;
                let allocated = 1e6 * (part + part * part / 2.0);
                Valley {
                    t: f64::from(i),
                    after: 1e6 * (1.0 + (growth - 1.0) * part),
                    allocated,
                    ..Valley::default()
                }
            };
            let valleys: Vec<Valley> = (0..12).map(valley).collect();
            independence(&Shape::of(&valleys, 1e6, None).unwrap()).passes()
        };
        assert_eq!([1.3, 2.5].map(answer), [false, true]);
    }

    #[test]
    fn every_question_is_asked() {
        let valley = |i: u32| Valley { t: f64::from(i), after: f64::from(i), ..Valley::default() };
        let shape = Shape::of(&[0, 1, 2, 3, 4].map(valley), 0.0, None).unwrap();
        assert_eq!(all(Basis::FullCollections, &shape).map(|answer| answer.question()), QUESTIONS.map(Some));
    }
}

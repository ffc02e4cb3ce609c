//! Does the growth of a series have the shape of a leak? One test a question, each with its numbers: those of
//! [`crate::detect::gates`] where what is asked is the same, for series that are read at an interval.

use super::{
    growth::Growth,
    subject::{Care, Subject},
};
use crate::{
    detect::{
        gates::{hourly, is_ratchet, lows_of_thirds, significant},
        trend::{Point, Z_95},
    },
    series::climb::time_of_half,
    vocabulary::{
        Reason, Seen,
        reason::{Retained, Spread},
    },
};

/// From so many points on a trend may hide in more noise.
const MANY: usize = 24;
/// In less time what fills has hardly slowed down: seconds.
const SHORT_S: f64 = 75.0;
/// Share of the time in which half of the growth may come: less is a step or a burst.
const BURST_SHARE: f64 = 0.15;
/// What a mark-compact left says nothing of the growth if it came in the first of this share of the time.
const TOO_EARLY: f64 = 0.3;
/// Of what garbage may hold, most must be confirmed: the last mark-compact came after this share of the time. A full
/// cache of buffers grew by those that it had dropped for half a minute to a minute, until the next mark-compact.
const LATE: f64 = 0.75;
/// A mark-compact must leave this share of what had come until then.
const KEPT: f64 = 0.5;
/// What mark-compacts leave must grow at this share of the rate that it had. A cache of buffers that is full goes on
/// growing by the buffers that it dropped: one was seen to do so for 75 s after the last mark-compact.
const GOES_ON: f64 = 0.8;
/// Two mark-compacts tell a rate if this share of the time is between them.
const APART: f64 = 0.15;
/// Without a mark-compact nothing may come back for so long, seconds: an addon was seen to hold buffers for a minute that
/// a scavenge then freed.
const LONG_ENOUGH_S: f64 = 100.0;
/// See [`steadiness`].
const STEADY: f64 = 0.7;
/// See [`steadiness`]: in units of the rise.
const STEADY_NOISE: f64 = 0.08;

/// What a question may ask about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence<'a> {
    pub(super) subject: &'a Subject,
    pub(super) growth: &'a Growth,
    /// Seconds and value of what mark-compacts left, the last one last.
    pub(super) lows: &'a [Point],
}

/// All questions that there are for such a series.
pub(super) fn all(asked: &Evidence) -> Vec<Reason> {
    let mut gates: Vec<Reason> =
        [significance, ratchet, persistence, materiality, spread].map(|gate| gate(asked)).into();
    match asked.subject.care {
        Care::Plain | Care::Harmless => {}
        Care::Collected => gates.push(retention(asked, LATE)),
        Care::Unaccounted => gates.push(retention_or_time(asked)),
        Care::Remainder => gates.extend([retention_or_time(asked), steadiness(asked)]),
    }
    gates
}

/// Is it more than chance?
fn significance(asked: &Evidence) -> Reason {
    let trend = &asked.growth.trend;
    let tau_min = if trend.n >= MANY { 0.6 } else { 0.7 };
    let rises = trend.interval(Z_95)[0].is_some_and(|low| low > 0.0);
    let pass = rises && (trend.p <= 0.0014 && trend.tau >= tau_min || trend.is_line(asked.growth.span()));
    Reason::test(significant(trend), pass)
}

/// Does it never come back? The lowest of each third must be above the lowest of the third before it.
fn ratchet(asked: &Evidence) -> Reason {
    let lows = lows_of_thirds(&asked.growth.points);
    Reason::test(Seen::Ratchet { lows }, is_ratchet(lows, asked.growth.trend.noise))
}

/// Does it go on, to the end? A fill, a warm-up and a cache that warms slow down.
fn persistence(asked: &Evidence) -> Reason {
    let growth = asked.growth;
    let [newer_half, newest] = if growth.span() < SHORT_S { [0.8, 0.6] } else { [0.5, 0.4] };
    let pass = growth.late > newer_half * growth.early
        && growth.persistence() > 0.5
        && growth.tail > newest * growth.trend.slope;
    let [older_per_hour, newer_per_hour, end] = [growth.early, growth.late, growth.tail].map(hourly);
    Reason::test(Seen::Persistent { older_per_hour, newer_per_hour, end_per_hour: Some(end) }, pass)
}

/// Is it enough to matter?
fn materiality(asked: &Evidence) -> Reason {
    let (rise, base) = (asked.growth.rise(), asked.growth.first().1);
    let pass = rise > asked.subject.material && rise > asked.subject.material_share * base;
    Reason::test(Seen::Material { growth: rise, base }, pass)
}

/// Is it spread over the time? Loading a data set or starting a pool makes a step, a leak makes many.
fn spread(asked: &Evidence) -> Reason {
    let half = time_of_half(&asked.growth.points) / asked.growth.span();
    Reason::test(Seen::Spread(Spread::Half { half_share: half }), half > BURST_SHARE)
}

/// Did mark-compacts leave it, and did what they left go on as it began? Until one came, it may be garbage; and so may
/// what came since the last one.
fn retention(asked: &Evidence, late: f64) -> Reason {
    let Some(left) = left_by_mark_compacts(asked) else {
        let full_collections = asked.lows.len() as u64;
        return Reason::plain(Seen::Retained(Retained::Unknown { full_collections }));
    };
    let pass = left.at >= late && left.kept > KEPT && left.newest > GOES_ON;
    let rate_share = Some(left.newest).filter(|rate| rate.is_finite());
    let seen = Retained::Left { at_share: left.at, left_share: left.kept, rate_share };
    Reason::test(Seen::Retained(seen), pass)
}

fn retention_or_time(asked: &Evidence) -> Reason {
    let answer = retention(asked, TOO_EARLY);
    if !answer.is_unanswered() {
        return answer;
    }
    let span_s = asked.growth.span();
    Reason::test(Seen::Retained(Retained::NothingBack { span_s }), span_s >= LONG_ENOUGH_S)
}

/// What mark-compacts left of the growth.
struct LeftByMarkCompacts {
    /// After which share of the time the last one came.
    at: f64,
    /// The share that it left of what had come, by the line through the lowest values.
    kept: f64,
    /// The rate of what they left since the one before, in units of the rate until then; 1 if there is none before.
    newest: f64,
}

/// `None` if no mark-compact came late enough to tell.
fn left_by_mark_compacts(asked: &Evidence) -> Option<LeftByMarkCompacts> {
    let (growth, first) = (asked.growth, asked.growth.first());
    let share = |t: f64| (t - first.0) / growth.span();
    let low = *asked.lows.last().filter(|low| share(low.0) > TOO_EARLY)?;
    let come = growth.trend.slope * (low.0 - first.0);
    let is_apart = |old: &&Point| low.0 - old.0 > APART * growth.span() && share(old.0) > APART;
    let newest = asked.lows.iter().rev().find(is_apart).map_or(1.0, |old| {
        let before = (old.1 - first.1) / (old.0 - first.0);
        (low.1 - old.1) / (low.0 - old.0) / before
    });
    (come > 0.0).then(|| LeftByMarkCompacts {
        at: share(low.0).min(1.0),
        kept: (low.1 - first.1) / come,
        newest,
    })
}

/// Is it as steady to the end as only a leak is? An allocator that fragments slows down, and by leaps.
fn steadiness(asked: &Evidence) -> Reason {
    let growth = asked.growth;
    let slowest = growth.late.min(growth.tail).min(growth.early);
    let wobble = growth.trend.noise / growth.rise();
    let pass = slowest > STEADY * growth.trend.slope && wobble < STEADY_NOISE && growth.points.len() >= MANY;
    let seen = Seen::Steady {
        slowest_per_hour: hourly(slowest),
        rate_per_hour: hourly(growth.trend.slope),
        wobble_share: Some(wobble).filter(|share| share.is_finite()),
    };
    Reason::test(seen, pass)
}

#[cfg(test)]
mod tests {
    use super::{
        super::subject::{EXTERNAL, FILES, NATIVE, REMAINDER},
        *,
    };

    use crate::vocabulary::Question;

    const MIB: f64 = 1_048_576.0;

    fn points(n: u32, y: impl Fn(f64) -> f64) -> Vec<Point> {
        (0..n).map(|i| (2.5 * f64::from(i), y(2.5 * f64::from(i)))).collect()
    }

    /// The questions that `points` do not pass.
    fn failed(subject: &Subject, points: &[Point], lows: &[Point]) -> Vec<Question> {
        let growth = Growth::of(points, -1e9).unwrap();
        let gates = all(&Evidence { subject, growth: &growth, lows });
        gates.iter().filter(|answer| !answer.passes()).filter_map(Reason::question).collect()
    }

    /// Reproducible noise between 0 and 1.
    fn noise(t: f64) -> f64 {
        (t * 12.9898).sin().mul_add(43_758.545, 0.0).fract().abs()
    }

    #[test]
    fn each_question_stops_what_it_is_there_for() {
        let steady = |t: f64| 20.0 + 8.0 * t;
        for (name, y, stopped_by) in [
            ("a leak", Box::new(steady) as Box<dyn Fn(f64) -> f64>, &[][..]),
            ("a few", Box::new(|t| 20.0 + 0.2 * t), &[Question::Material]),
            ("many beside more", Box::new(|t| 9000.0 + 2.0 * t), &[Question::Material]),
            (
                "a fill",
                Box::new(|t: f64| 20.0 + 400.0 * (1.0 - (-t / 15.0).exp())),
                &[Question::Persistent, Question::Material],
            ),
            ("one that just ended", Box::new(move |t| steady(t.min(60.0))), &[Question::Persistent]),
        ] {
            assert_eq!(failed(&FILES, &points(30, y), &[]), stopped_by, "{name}");
        }
        let teeth = failed(&FILES, &points(30, |t| 20.0 + 20.0 * (t % 20.0)), &[]);
        assert!(teeth.contains(&Question::Significant) && teeth.contains(&Question::Ratchet), "{teeth:?}");
        let pool = failed(&FILES, &points(14, |t| if t > 20.0 { 120.0 } else { 20.0 }), &[]);
        assert!(pool.contains(&Question::Persistent) && pool.contains(&Question::Spread), "{pool:?}");
        let noisy = failed(&FILES, &points(30, |t| 500.0 + 900.0 * noise(t)), &[]);
        assert!(noisy.contains(&Question::Significant), "{noisy:?}");
    }

    #[test]
    fn mark_compacts_decide_what_is_garbage() {
        let line = points(40, |t| 5.0 * MIB + MIB * t);
        let at = |t: f64, mib: f64| (t, mib * MIB);
        for (name, lows, stopped) in [
            ("none", vec![], true),
            ("one, too early", vec![at(10.0, 15.0)], true),
            ("one that left all, and much has come since", vec![at(60.0, 64.0)], true),
            ("one that left all", vec![at(80.0, 84.0)], false),
            ("one that left nothing", vec![at(60.0, 6.0)], true),
            ("two on the line", vec![at(40.0, 45.0), at(90.0, 94.0)], false),
            ("two, and no growth between them", vec![at(40.0, 45.0), at(90.0, 60.0)], true),
        ] {
            let expected: &[Question] = if stopped { &[Question::Retained] } else { &[] };
            assert_eq!(failed(&EXTERNAL, &line, &lows), expected, "{name}");
        }
    }

    #[test]
    fn where_v8_knows_nothing_time_stands_in_for_mark_compacts() {
        let line = |n| points(n, |t| 5.0 * MIB + MIB * t);
        assert_eq!(failed(&NATIVE, &line(38), &[]), [Question::Retained]);
        assert_eq!(failed(&NATIVE, &line(42), &[]), []);
        assert_eq!(failed(&NATIVE, &line(42), &[(60.0, 5.0 * MIB)]), [Question::Retained]);
    }

    #[test]
    fn what_is_left_over_must_be_steady() {
        let slowing = points(42, |t| 30.0 * MIB + 60.0 * MIB * (1.0 - (-t / 70.0).exp()));
        let leaps = points(42, |t| 30.0 * MIB + 9.0 * MIB * (t / 15.0).floor());
        assert_eq!(failed(&REMAINDER, &points(42, |t| 30.0 * MIB + MIB * t), &[]), []);
        assert!(failed(&REMAINDER, &slowing, &[]).contains(&Question::Steady));
        assert!(failed(&REMAINDER, &leaps, &[]).contains(&Question::Steady));
    }

    #[test]
    fn units_do_not_matter() {
        let ys: [fn(f64) -> f64; 4] = [
            |t| 200.0 + 8.0 * t + 30.0 * noise(t),
            |t| 200.0 + 3.0 * t + 200.0 * noise(t),
            |t| 200.0 + 300.0 * (t / 20.0).sin(),
            |t| 200.0 + 40.0 * (t / 20.0).floor(),
        ];
        let shape = |points: &[Point]| {
            let mut names = failed(&FILES, points, &[]);
            names.retain(|name| *name != Question::Material);
            names
        };
        for (i, y) in ys.into_iter().enumerate() {
            // From the 80th second on, so that no span is short.
            let plain = points(60, y);
            let scaled: Vec<Point> = plain.iter().map(|(t, y)| (*t, y * 1024.0)).collect();
            let shifted: Vec<Point> = plain.iter().map(|(t, y)| (t + 1e6, y + 5e5)).collect();
            let stretched: Vec<Point> = plain.iter().map(|(t, y)| (t * 3600.0, *y)).collect();
            assert_eq!(
                [&scaled, &shifted, &stretched].map(|s| shape(s)),
                [&plain; 3].map(|s| shape(s)),
                "{i}"
            );
        }
    }

    #[test]
    fn what_never_rises_passes_nothing_and_ties_are_no_rise() {
        for (name, y) in [
            ("ties", Box::new(|_| 500.0) as Box<dyn Fn(f64) -> f64>),
            ("a fall", Box::new(|t| 5000.0 - 8.0 * t)),
            ("a fall by steps", Box::new(|t: f64| 5000.0 - 300.0 * (t / 20.0).floor())),
        ] {
            for subject in [&FILES, &EXTERNAL, &NATIVE, &REMAINDER] {
                let failed = failed(subject, &points(60, &y), &[(100.0, 1.0)]);
                assert!(
                    failed.contains(&Question::Significant) && failed.contains(&Question::Ratchet),
                    "{name}: {failed:?}"
                );
            }
        }
    }
}

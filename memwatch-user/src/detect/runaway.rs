//! A heap that will be full within minutes: V8 makes a full collection or two on the way there (one of 2.1 of 4.3 GB that grew by
//! 28 MB a second had one in 60 s), which is too few for [`super::heap`].
//!
//! Sizes after scavenges tell the course, and one full collection whether it is garbage: no size is less than what was live, so
//! that what a full collection leaves above an earlier size has come to stay.

use super::{
    Exhaustion, Finding, Level, Unit,
    exhaustion::exhaustion,
    gates::hourly,
    trend::{Point, Trend, Z_80, Z_95},
};
use crate::{
    model::Mono,
    series::{Isolate, Valley},
    vocabulary::{Counted, Reason, Seen, reason::Course},
};

/// So many sizes are a course.
const ENOUGH: usize = 8;
/// It has gone on for so long,
const LEAST_S: f64 = 20.0;
/// and has taken this share of the room that was there: a cache may take the first (`patience`), and hardly the second.
const GROWING_SHARE: f64 = 0.15;
const LEAK_SHARE: f64 = 0.25;
/// At this rate the heap is full within so many seconds.
const SOON_S: f64 = 300.0;
/// Of what had come, a full collection leaves at least this share: the one of above left .63, as it was marked some time before.
const KEPT: f64 = 0.5;
/// Nearly all pairs of sizes rise: those around a full collection do not.
const LEAST_TAU: f64 = 0.8;

/// What the last minute says, if the heap runs full; `None` if it does not, or if what full collections left contradicts it.
#[must_use]
pub(super) fn finding(isolate: &Isolate, now: Mono, last: Option<&Finding>) -> Option<Finding> {
    let points = isolate.sizes.points();
    let course = Run::of(points, isolate.room()? as f64)?;
    let kept = course.kept(isolate.valleys.points());
    if kept.is_some_and(|kept| kept < KEPT) {
        return None;
    }
    let is_leak = kept.is_some() && course.share() >= LEAK_SHARE;
    let level = if is_leak { Level::Leak } else { Level::Growing };
    let since = last.filter(|last| last.level == level).map_or(now, |last| last.since);
    Some(course.say(level, since, kept))
}

/// A heap that runs full.
struct Run {
    first: Point,
    last: Point,
    trend: Trend,
    room: f64,
}

impl Run {
    fn of(points: &[Point], room: f64) -> Option<Self> {
        let (first, last) = (*points.first()?, *points.last()?);
        let trend = Trend::of(points).filter(|_| points.len() >= ENOUGH)?;
        let run = Self { first, last, trend, room };
        run.is_one().then_some(run)
    }

    fn is_one(&self) -> bool {
        let is_even = self.trend.tau >= LEAST_TAU && self.span() >= LEAST_S;
        is_even && self.share() >= GROWING_SHARE && self.left_s() <= SOON_S
    }

    fn span(&self) -> f64 {
        self.last.0 - self.first.0
    }

    /// The share of the room there was at first that it has taken.
    fn share(&self) -> f64 {
        self.trend.slope * self.span() / (self.room - self.first.1)
    }

    fn left_s(&self) -> f64 {
        (self.room - self.last.1).max(0.0) / self.trend.slope
    }

    /// The share of what had come that the last full collection of this course left above its first size; `None` if there was none.
    fn kept(&self, valleys: &[Valley]) -> Option<f64> {
        let is_within = |valley: &&Valley| valley.t > self.first.0 + LEAST_S / 4.0;
        let last = valleys.iter().rev().find(is_within)?;
        Some((last.after - self.first.1) / (self.trend.slope * (last.t - self.first.0)))
    }

    fn exhaustion(&self) -> Option<Exhaustion> {
        let [low, high] = self.trend.interval(Z_80);
        let rates = [low.unwrap_or(0.0), high.unwrap_or(self.trend.slope)].map(hourly);
        exhaustion(self.last.1, self.room, rates)
    }

    fn say(&self, level: Level, since: Mono, kept: Option<f64>) -> Finding {
        let rate = hourly(self.trend.slope);
        let course = Course {
            of: Counted::Sizes,
            first: self.first.1,
            last: self.last.1,
            span_s: self.span(),
            rate_per_hour: rate,
            full_collections: None,
            takes: None,
            since_birth: false,
        };
        let runaway = Seen::Runaway { left_s: self.left_s(), kept_share: kept };
        Finding {
            level,
            unit: Unit::Bytes,
            rate: Some(rate),
            rate_interval: Some(self.trend.interval(Z_95).map(|end| end.map(hourly))),
            since,
            confidence: Some(1.0 - self.trend.p),
            exhaustion: self.exhaustion(),
            of_takes: false,
            reasons: vec![Reason::plain(Seen::Course(course)), Reason::plain(runaway)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Collection, GcKind},
        series::valleys::tests::mark_compact,
    };

    const MIB: f64 = 1_048_576.0;
    const ROOM: u64 = 4 << 30;

    /// The level for a heap of `size(t)` MiB after each scavenge, one a second, and full collections that leave so many MiB.
    fn level(seconds: u32, size: impl Fn(f64) -> f64, full: &[(f64, f64)]) -> Option<Level> {
        let mut isolate = Isolate::new(1, 1, false, Mono(0), Some(ROOM));
        for t in (1..=seconds).map(f64::from) {
            isolate.collection(&scavenge(t, size(t)), None);
            let leaves = full.iter().find(|(at, _)| (at - t).abs() < 0.1);
            if let Some((_, mib)) = leaves {
                isolate.collection(&mark_compact(t + 0.5, bytes(size(t)), bytes(*mib)), None);
            }
        }
        finding(&isolate, Mono(0), None).map(|finding| finding.level)
    }

    fn scavenge(t: f64, mib: f64) -> Collection {
        Collection { kind: GcKind::Scavenge, ..mark_compact(t, bytes(mib + 16.0), bytes(mib)) }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size of a test")]
    fn bytes(mib: f64) -> u64 {
        (mib * MIB) as u64
    }

    #[test]
    fn a_heap_that_runs_full_is_told_from_one_that_is_collected() {
        let line = |t: f64| 500.0 + 25.0 * t;
        for (name, seconds, course, full, expected) in [
            ("no full collection yet", 40, &line as &dyn Fn(f64) -> f64, &[][..], Some(Level::Growing)),
            ("one that left most", 45, &line, &[(20.0, 900.0)], Some(Level::Leak)),
            ("one that left most of little yet", 35, &line, &[(20.0, 900.0)], Some(Level::Growing)),
            ("one that left little", 40, &line, &[(20.0, 600.0)], None),
            ("too short", 15, &line, &[(10.0, 700.0)], None),
            ("full next week", 40, &|t| 500.0 + 0.1 * t, &[(20.0, 502.0)], None),
            ("a step", 40, &|t| if t < 20.0 { 500.0 } else { 2500.0 }, &[(25.0, 2400.0)], None),
        ] {
            assert_eq!(level(seconds, course, full), expected, "{name}");
        }
    }
}

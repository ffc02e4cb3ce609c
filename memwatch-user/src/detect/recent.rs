//! The recent past of a heap at three scales, for leaks that begin late.
//!
//! [`crate::series::Valleys`] covers all the time that an isolate was watched, so after three days its points are two
//! hours apart, and a leak that begins then needs half a day to show. Here the last eighth of that time, the last
//! sixty-fourth and the last five hundred and twelfth have points of their own. What rises there must also be higher than
//! the heap ever was before: the morning of a daily load is not.

use super::{
    Level,
    gates::{self, Gate},
    shape::{MIN_POINTS, Shape},
    tier::tier,
};
use crate::series::{Valley, Valleys};

const SCALES: usize = 3;
/// Each scale covers this share of the next longer one.
const SHARE: f64 = 1.0 / 8.0;
/// Points kept at each scale.
const CAPACITY: usize = 32;
/// Points that a scale's time is cut into: fewer than are kept, so that all of it is covered.
const RESOLUTION: f64 = 24.0;
/// Mark-compacts closer than this are one point, as in [`Valleys`].
const MIN_DISTANCE_S: f64 = 0.25;
/// By this share of its rise the end of a window must be above all that was before it.
const NEW_GROUND: f64 = 0.25;
/// The time before a window must be this many times as long as the window to show what is usual.
const HISTORY: f64 = 3.0;
/// A whole day of history shows the daily load's peak; before, only what ends soon is worth the risk of taking the
/// first morning for a leak.
const DAY_S: f64 = 86_400.0;
/// Soon.
const URGENT_S: f64 = 6.0 * 3600.0;

/// A mark-compact in twelve bytes: seven digits are enough for windows of hours and heaps of gigabytes.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    t: f32,
    after: f32,
    /// Not a number where it is not known.
    retention: f32,
}

/// The last mark-compacts at one scale.
#[derive(Clone, Debug, Default)]
struct Scale {
    len: usize,
    points: [Point; CAPACITY],
    /// The last look at it found a leak.
    found: bool,
}

/// The recent past at all scales.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    seen: u64,
    scales: [Scale; SCALES],
}

/// What a look at one scale found.
pub(super) struct Look {
    /// Which scale, 0 for the longest.
    pub(super) scale: usize,
    /// Its shape, and the answers about it.
    pub(super) shape: Shape,
    /// See [`Look::shape`].
    pub(super) gates: Vec<Gate>,
    /// It looks like a leak.
    pub(super) leaks: bool,
    /// It did so at the look before, too.
    pub(super) again: bool,
}

/// What a look needs to know beside the valleys.
#[derive(Clone, Copy)]
pub(super) struct About {
    /// Age of the isolate at the origin of times, seconds.
    pub(super) age: f64,
    /// The heap's limit, bytes.
    pub(super) limit: Option<u64>,
    /// A question that is not asked.
    pub(super) ignored: Option<&'static str>,
}

impl Recent {
    /// Takes in the last mark-compact of `valleys`, if it is new, and looks at the scales that it adds a point to.
    pub(super) fn look(&mut self, valleys: &Valleys, about: About) -> Vec<Look> {
        let (Some(last), Some(first)) = (valleys.last(), valleys.points().first()) else { return Vec::new() };
        if self.seen == valleys.seen() {
            return Vec::new();
        }
        self.seen = valleys.seen();
        let mut watched = last.t - first.t;
        let mut looks = Vec::new();
        for (scale, recent) in self.scales.iter_mut().enumerate() {
            watched *= SHARE;
            if recent.add(&last, MIN_DISTANCE_S.max(watched / RESOLUTION)) {
                looks.extend(recent.look(scale, valleys.points(), about));
            }
        }
        looks
    }
}

impl Scale {
    /// Takes in a mark-compact; whether it is a point of its own.
    #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough")]
    fn add(&mut self, valley: &Valley, distance: f64) -> bool {
        let retention = valley.retention.unwrap_or(f32::NAN);
        let point = Point { t: valley.t as f32, after: valley.after as f32, retention };
        if let Some(last) = self.len.checked_sub(1).map(|i| &mut self.points[i])
            && valley.t - f64::from(last.t) < distance
        {
            let retention = last.retention.min(retention);
            *last = Point { retention, ..if point.after <= last.after { point } else { *last } };
            return false;
        }
        if self.len == CAPACITY {
            self.points.rotate_left(1);
            self.len -= 1;
        }
        self.points[self.len] = point;
        self.len += 1;
        true
    }

    fn look(&mut self, scale: usize, all: &[Valley], about: About) -> Option<Look> {
        let again = std::mem::take(&mut self.found);
        let window: Vec<Valley> = self.points[..self.len].iter().map(Point::valley).collect();
        let shape = Shape::of(&window, about.age, about.limit).filter(|s| s.points.len() >= MIN_POINTS)?;
        let mut gates = gates::all(&shape).to_vec();
        gates.retain(|gate| about.ignored != Some(gate.name));
        let age = about.age + shape.last().0;
        let leaks =
            is_new_ground(&shape, all) && tier(&shape, &gates, shape.span(), age).level == Level::Leak;
        self.found = leaks;
        Some(Look { scale, shape, gates, leaks, again })
    }
}

impl Point {
    fn valley(&self) -> Valley {
        let retention = (!self.retention.is_nan()).then_some(self.retention);
        Valley { t: self.t.into(), after: self.after.into(), retention, ..Valley::default() }
    }
}

/// Whether there is a history before `shape`, and the lowest of its last third is higher than all of that.
fn is_new_ground(shape: &Shape, all: &[Valley]) -> bool {
    let begin = shape.first().0;
    let Some(first) = all.first() else { return false };
    let history = begin - first.t;
    let is_urgent = shape.seconds_left().is_some_and(|left| left < URGENT_S);
    if history < HISTORY * shape.span() || !(history >= DAY_S || is_urgent) {
        return false;
    }
    let before = all.iter().take_while(|v| v.t < begin).map(|v| v.after).fold(first.after, f64::max);
    let last = &shape.points[shape.points.len() - shape.points.len() / 3..];
    let lowest = last.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    lowest > before + shape.trend.noise.max(NEW_GROUND * shape.rise())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Mono, series::valleys::tests::mark_compact};

    const MIB: f64 = 1_048_576.0;

    /// Seconds of the first second look that finds a leak in a heap of `live(t)` MiB, collected every ten seconds.
    fn found(live: impl Fn(f64) -> f64, seconds: u32) -> Option<f64> {
        let (mut valleys, mut recent) = (Valleys::new(Mono(0)), Recent::default());
        let about = About { age: 1e6, limit: Some(4 << 30), ignored: None };
        (1..seconds / 10).map(|i| f64::from(i) * 10.0).find(|&t| {
            let bytes = whole(live(t) * MIB);
            valleys.collection(&mark_compact(t, bytes + (1 << 20), bytes));
            recent.look(&valleys, about).iter().any(|look| look.leaks && look.again)
        })
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size of a test")]
    fn whole(bytes: f64) -> u64 {
        bytes as u64
    }

    #[test]
    fn a_leak_that_begins_after_a_day_is_seen_within_the_hour() {
        let at = found(|t| 50.0 + (t - 86_400.0).max(0.0) * 0.05, 100_000);
        assert!(at.is_some_and(|at| (86_400.0..90_000.0).contains(&at)), "{at:?}");
    }

    #[test]
    fn what_was_there_before_is_no_leak() {
        let daily = |t: f64| 80.0 + 30.0 * (t / 86_400.0 * std::f64::consts::TAU).sin();
        assert_eq!(found(daily, 4 * 86_400), None);
        assert_eq!(found(|t| 50.0 + (t / 3600.0) % 2.0 * 20.0, 2 * 86_400), None);
    }

    #[test]
    fn the_state_is_small() {
        assert!(size_of::<Recent>() + size_of::<Valleys>() < 4096, "{}", size_of::<Recent>());
    }
}

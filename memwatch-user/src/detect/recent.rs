//! The recent past of a heap at three scales, for leaks that begin late.
//!
//! [`crate::series::Valleys`] covers all the time that an isolate was watched, so after three days its points are two
//! hours apart, and a leak that begins then needs half a day to show. Here the last eighth of that time, the last
//! sixty-fourth and the last mark-compacts as they come have points of their own. What rises there must also be higher than
//! the heap ever was before: the morning of a daily load is not.

use super::shape::{MIN_POINTS, Shape};
use crate::series::{Valley, Valleys};

/// How many scales there are.
pub(super) const SCALES: usize = 3;
/// Each scale covers this share of the next longer one.
const SHARE: f64 = 1.0 / 8.0;
/// Points kept at each scale.
const CAPACITY: usize = 28;
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
/// An hour of history shows start-up and batches; nothing is new before.
const HOUR_S: f64 = 3600.0;
/// Soon.
const URGENT_S: f64 = 6.0 * HOUR_S;

/// A mark-compact in sixteen bytes: seven digits are enough for windows of hours and heaps of gigabytes.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    t: f32,
    after: f32,
    /// Bytes allocated since the point before.
    came: f32,
    /// Not a number where it is not known.
    retention: f32,
}

/// The last mark-compacts at one scale.
#[derive(Clone, Debug, Default)]
struct Scale {
    len: usize,
    points: [Point; CAPACITY],
    /// When the last point's time began, seconds: its own time is that of the lowest in it.
    opened: f64,
    /// The highest of the points that were kept once, bytes.
    highest: f32,
    /// When the first of them was, seconds; `None` before there were any.
    began: Option<f32>,
    /// Bytes allocated until the last mark-compact, as [`Valley::allocated`].
    allocated: f64,
}

/// The recent past at all scales.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    seen: u64,
    scales: [Scale; SCALES],
}

impl Recent {
    /// Takes in the last mark-compact of `valleys`, if it is new: the shapes of the scales that it adds a point to, each
    /// with its number, as far as they are higher than all before them. `age` and `limit` as for [`Shape::of`].
    pub(super) fn look(
        &mut self,
        valleys: &Valleys,
        age: f64,
        limit: Option<u64>,
    ) -> Vec<(usize, Option<Shape>)> {
        let (Some(last), Some(first)) = (valleys.last(), valleys.points().first()) else { return Vec::new() };
        if self.seen == valleys.seen() {
            return Vec::new();
        }
        self.seen = valleys.seen();
        let mut watched = last.t - first.t;
        let mut looks = Vec::new();
        for (number, scale) in self.scales.iter_mut().enumerate() {
            watched *= SHARE;
            let distance = if number + 1 < SCALES { watched / RESOLUTION } else { 0.0 };
            if scale.add(&last, MIN_DISTANCE_S.max(distance)) {
                looks.push((number, scale.shape(age, limit)));
            }
        }
        looks
    }
}

impl Scale {
    /// Takes in a mark-compact; whether it is a point of its own.
    #[expect(clippy::cast_possible_truncation, reason = "seven digits are enough")]
    fn add(&mut self, valley: &Valley, distance: f64) -> bool {
        let came = (valley.allocated - self.allocated) as f32;
        self.allocated = valley.allocated;
        let retention = valley.retention.unwrap_or(f32::NAN);
        let point = Point { t: valley.t as f32, after: valley.after as f32, came, retention };
        if let Some(last) = self.len.checked_sub(1).map(|i| &mut self.points[i])
            && valley.t - self.opened < distance
        {
            *last = last.merged(point);
            return false;
        }
        if self.len == CAPACITY {
            self.forget();
        }
        self.points[self.len] = point;
        self.len += 1;
        self.opened = valley.t;
        self.began = self.began.or(Some(point.t));
        true
    }

    fn forget(&mut self) {
        self.highest = self.highest.max(self.points[0].after);
        self.points.rotate_left(1);
        self.len -= 1;
    }

    /// The shape of the points from the last that is no higher than all that were forgotten, if there is enough before
    /// them and it is lower.
    fn shape(&self, age: f64, limit: Option<u64>) -> Option<Shape> {
        if !self.may_be_new() {
            return None;
        }
        let window = self.valleys();
        let new = window.iter().rposition(|v| v.after <= f64::from(self.highest)).unwrap_or(0);
        let shape = Shape::of(&window[new..], age, limit).filter(|s| s.points.len() >= MIN_POINTS)?;
        self.is_new_ground(&shape, &window).then_some(shape)
    }

    /// Spares most looks the work: the last point is higher than all that were forgotten, and long after them.
    fn may_be_new(&self) -> bool {
        let Some(last) = self.len.checked_sub(1).map(|i| self.points[i]) else { return false };
        last.after > self.highest && self.began.is_some_and(|began| f64::from(last.t - began) > HOUR_S)
    }

    fn valleys(&self) -> Vec<Valley> {
        let mut allocated = 0.0;
        let valley = |p: &Point| {
            allocated += f64::from(p.came);
            let retention = (!p.retention.is_nan()).then_some(p.retention);
            Valley { t: p.t.into(), after: p.after.into(), allocated, retention }
        };
        self.points[..self.len].iter().map(valley).collect()
    }

    /// Whether there is a history before `shape`, and the lowest of its last third is higher than all of that.
    fn is_new_ground(&self, shape: &Shape, window: &[Valley]) -> bool {
        let begin = shape.first().0;
        let history = begin - self.began.map_or(begin, f64::from);
        let is_urgent = shape.seconds_left().is_some_and(|left| left < URGENT_S);
        let needed = if is_urgent { HOUR_S } else { DAY_S };
        if history < needed.max(HISTORY * shape.span()) {
            return false;
        }
        let forgotten = f64::from(self.highest);
        let before = window.iter().take_while(|v| v.t < begin).map(|v| v.after).fold(forgotten, f64::max);
        let last = &shape.points[shape.points.len() - shape.points.len() / 3..];
        let lowest = last.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
        lowest > before + shape.trend.noise.max(NEW_GROUND * shape.rise())
    }
}

impl Point {
    /// Of two that are one, the lower in size and retention, and all that came.
    fn merged(self, next: Self) -> Self {
        let came = self.came + next.came;
        let retention = self.retention.min(next.retention);
        Self { came, retention, ..if next.after <= self.after { next } else { self } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::Mono, series::valleys::tests::mark_compact};

    const MIB: f64 = 1_048_576.0;

    /// Seconds of the first look that finds new ground in a heap of `live(t)` MiB, collected every ten seconds.
    fn found(live: impl Fn(f64) -> f64, seconds: u32) -> Option<f64> {
        let (mut valleys, mut recent) = (Valleys::new(Mono(0)), Recent::default());
        (1..seconds / 10).map(|i| f64::from(i) * 10.0).find(|&t| {
            let bytes = whole(live(t) * MIB);
            valleys.collection(&mark_compact(t, bytes + (1 << 20), bytes));
            recent.look(&valleys, 1e6, Some(4 << 30)).iter().any(|(_, shape)| shape.is_some())
        })
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size of a test")]
    fn whole(bytes: f64) -> u64 {
        bytes as u64
    }

    #[test]
    fn what_begins_after_a_day_is_new_within_the_hour() {
        let at = found(|t| 50.0 + (t - 86_400.0).max(0.0) * 0.05, 100_000);
        assert!(at.is_some_and(|at| (86_400.0..90_000.0).contains(&at)), "{at:?}");
    }

    #[test]
    fn what_was_there_before_is_not_new() {
        let daily = |t: f64| 80.0 + 30.0 * (t / 86_400.0 * std::f64::consts::TAU).sin();
        assert_eq!(found(daily, 4 * 86_400), None);
        assert_eq!(found(|t| 50.0 + (t / 3600.0) % 2.0 * 20.0, 2 * 86_400), None);
    }

    #[test]
    fn the_state_of_an_isolate_is_below_four_kib() {
        let bytes = size_of::<Recent>() + size_of::<Valleys>();
        assert!(bytes < 4096, "{bytes}");
    }
}

//! What the points of a heap look like: the part of them that counts, and its measures.

use super::trend::{Point, Trend, median, slope};
use crate::series::Valley;

/// Start-up (modules, first compilations, filling pools) adds 10 to 30 MB for about this long.
const START_UP_S: f64 = 30.0;
/// Points from start-up are only worth leaving out if so many others are there.
const ENOUGH_WITHOUT_START_UP: usize = 8;
/// Below so many points halves say too little to drop one.
const ENOUGH_TO_HALVE: usize = 10;
/// An older half that is so much steeper than the newer is a warm-up.
const FADING: f64 = 3.0;
/// A heap that has just been set up: 3 to 5 MB on Node 12 to 26.
const NEWBORN: f64 = 4.0 * 1_048_576.0;
/// Growth is even if no part of it is so many times steeper than another.
pub(super) const EVENNESS: f64 = 1.6;
/// Valleys whose retention counts.
const RECENT: usize = 8;
/// A rise that is more than this share of all growth, in less than [`STEP_TIME_SHARE`] of the time, is a step.
const STEP_SHARE: f64 = 0.5;
/// See [`STEP_SHARE`].
pub(super) const STEP_TIME_SHARE: f64 = 0.15;
/// Fewest points that a trend is judged by: five rising in a row come by chance once in 120 times.
pub(crate) const MIN_POINTS: usize = 5;

/// The measures of a window of valleys.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Seconds and bytes after each mark-compact, or at each take.
    pub points: Vec<Point>,
    /// How many of them were measured: all, or all but the birth.
    pub measured: usize,
    /// Where the growth began: the first point, or one of the start-up before it.
    pub onset: Point,
    /// What the heap held before it grew, bytes: at the onset, or at its birth if it has grown as evenly since then.
    pub base: f64,
    /// Their trend.
    pub trend: Trend,
    /// Slope of the older half, bytes a second.
    pub early: f64,
    /// Slope of the newer half, bytes a second.
    pub late: f64,
    /// Median of the recent valleys' retention.
    pub retention: Option<f64>,
    /// By which share the rate of allocation has risen from the oldest third to the newest.
    pub load: f64,
    /// The heap's limit, bytes.
    pub limit: Option<f64>,
}

impl Shape {
    /// The measures of the part of `valleys` that counts. `age` is how old the isolate was at their origin, seconds.
    ///
    /// `None` below three points; of two, the birth is the third if all is one line.
    #[must_use]
    pub fn of(valleys: &[Valley], age: f64, limit: Option<u64>) -> Option<Self> {
        let settled = after_start_up(valleys, age);
        let window = after_step(after_fading(settled));
        let is_whole = window.len() == settled.len();
        let onset = if is_whole { valleys.first() } else { window.first() }.map(|v| (v.t, v.after))?;
        let points = with_birth(points(window), age);
        let trend = Trend::of(&points)?;
        let half = points.len().div_ceil(2);
        let early = slope(&points[..half]).unwrap_or(0.0);
        let late = slope(&points[points.len() - half..]).unwrap_or(0.0);
        let since_birth = is_whole && grew_since_birth(age, onset, points.last()?.0, trend.slope);
        Some(Self {
            points,
            measured: window.len(),
            onset,
            base: if since_birth { NEWBORN } else { onset.1 },
            trend,
            early,
            late,
            retention: retention(window),
            load: load(window),
            limit: limit.map(|bytes| bytes as f64),
        })
    }

    /// Seconds between the first point and the last.
    #[must_use]
    pub fn span(&self) -> f64 {
        self.last().0 - self.first().0
    }

    /// The first point.
    #[must_use]
    pub fn first(&self) -> Point {
        self.points.first().copied().unwrap_or_default()
    }

    /// The last point.
    #[must_use]
    pub fn last(&self) -> Point {
        self.points.last().copied().unwrap_or_default()
    }

    /// Bytes by which the line rises over the span.
    #[must_use]
    pub fn rise(&self) -> f64 {
        self.trend.slope * self.span()
    }

    /// Bytes by which the last point is above all others, in units of what the line rises from the last but one.
    #[must_use]
    pub fn freshness(&self) -> f64 {
        let Some(([.., previous], _)) = self.points.split_last().map(|(last, rest)| (rest, last)) else {
            return 0.0;
        };
        let highest = self.points[..self.points.len() - 1].iter().map(|p| p.1).fold(0.0, f64::max);
        (self.last().1 - highest) / (self.trend.slope * (self.last().0 - previous.0))
    }

    /// The newer half's slope in units of the whole's: 1 for a straight line, 0 for a plateau.
    #[must_use]
    pub fn persistence(&self) -> f64 {
        if self.trend.slope > 0.0 { self.late / self.trend.slope } else { 0.0 }
    }

    /// Seconds from the last point until the limit at the line's slope.
    #[must_use]
    pub fn seconds_left(&self) -> Option<f64> {
        let left = (self.limit? - self.last().1).max(0.0);
        (self.trend.slope > 0.0).then(|| left / self.trend.slope)
    }
}

/// Whether the heap grew to what it held at `onset` as evenly as it has grown since, which is by `slope`. More than half of
/// its life must have been watched: in old processes that serve the load of a day, slopes agree by chance.
fn grew_since_birth(age: f64, onset: Point, until: f64, slope: f64) -> bool {
    let before = (onset.1 - NEWBORN) / (age + onset.0);
    age <= until && before < slope * EVENNESS && slope < before * EVENNESS
}

/// Two points, and before them the birth if the heap has grown evenly since then.
fn with_birth(mut points: Vec<Point>, age: f64) -> Vec<Point> {
    if let [first, last] = points[..]
        && grew_since_birth(age, first, last.0, (last.1 - first.1) / (last.0 - first.0))
    {
        points.insert(0, (-age, NEWBORN));
    }
    points
}

fn points(valleys: &[Valley]) -> Vec<Point> {
    valleys.iter().map(|v| (v.t, v.after)).collect()
}

fn after_start_up(valleys: &[Valley], age: f64) -> &[Valley] {
    let settled = &valleys[valleys.partition_point(|v| age + v.t < START_UP_S)..];
    if settled.len() >= ENOUGH_WITHOUT_START_UP { settled } else { valleys }
}

/// Drops older halves as long as they are the steep beginning of something that levels off.
fn after_fading(mut valleys: &[Valley]) -> &[Valley] {
    while valleys.len() >= ENOUGH_TO_HALVE {
        let (old, new) = valleys.split_at(valleys.len() / 2);
        let steepness = |half: &[Valley]| slope(&points(half)).unwrap_or(0.0);
        if steepness(old) <= FADING * steepness(new).max(0.0) {
            break;
        }
        valleys = new;
    }
    valleys
}

/// Starts anew behind a step that makes most of the growth, if enough points follow it.
fn after_step(valleys: &[Valley]) -> &[Valley] {
    let (Some(first), Some(last)) = (valleys.first(), valleys.last()) else { return valleys };
    let (growth, span) = (last.after - first.after, last.t - first.t);
    let is_step = |w: &[Valley]| {
        w[1].after - w[0].after > STEP_SHARE * growth && w[1].t - w[0].t < STEP_TIME_SHARE * span
    };
    let step = valleys.windows(2).rposition(is_step).filter(|_| growth > 0.0);
    step.map(|i| &valleys[i + 1..]).filter(|rest| rest.len() >= MIN_POINTS).unwrap_or(valleys)
}

/// See [`Shape::load`]; zero where it is not known.
fn load(valleys: &[Valley]) -> f64 {
    let third = valleys.len().div_ceil(3);
    let rate = |part: &[Valley]| {
        let (first, last) = (part.first()?, part.last()?);
        let rate = (last.allocated - first.allocated) / (last.t - first.t);
        (rate > 0.0).then_some(rate)
    };
    let old = valleys.get(..=third).and_then(rate);
    let new = valleys.len().checked_sub(third + 1).and_then(|from| rate(&valleys[from..]));
    old.zip(new).map_or(0.0, |(old, new)| new / old - 1.0)
}

fn retention(valleys: &[Valley]) -> Option<f64> {
    let recent = &valleys[valleys.len().saturating_sub(RECENT)..];
    let mut known: Vec<f64> = recent.iter().filter_map(|v| v.retention.map(f64::from)).collect();
    median(&mut known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valleys(ys: &[f64]) -> Vec<Valley> {
        let valley = |(i, &after): (usize, &f64)| Valley { t: 10.0 * i as f64, after, ..Valley::default() };
        ys.iter().enumerate().map(valley).collect()
    }

    #[test]
    fn the_part_that_counts() {
        let line: Vec<f64> = (0..12).map(f64::from).collect();
        let fill: Vec<f64> = (0..12).map(|i| f64::from(i).min(6.0)).collect();
        let step: Vec<f64> = (0..12).map(|i| f64::from(i) * 0.1 + if i > 4 { 50.0 } else { 0.0 }).collect();
        for (name, ys, age, first) in [
            ("an old process's line", &line, 1000.0, (0.0, 0.0)),
            ("a young process's line", &line, 0.0, (30.0, 3.0)),
            ("a fill", &fill, 1000.0, (60.0, 6.0)),
            ("a step", &step, 1000.0, (50.0, 50.5)),
        ] {
            let shape = Shape::of(&valleys(ys), age, None).unwrap();
            assert_eq!(shape.first(), first, "{name}");
        }
    }

    #[test]
    fn the_base_is_that_of_the_birth_if_all_since_is_one_line() {
        let mib = 1_048_576.0;
        // Forty to fifty MiB in ten seconds each; at the first point the heap has 40 MiB.
        let line: Vec<f64> = (0..7).map(|i| (40.0 + 10.0 * f64::from(i)) * mib).collect();
        for (name, age, base) in [
            ("as even since its birth", 40.0, 4.0),
            ("a base that was loaded at once", 5.0, 40.0),
            ("a base that came slowly", 59.0, 40.0),
            ("one that nobody watched for most of its life", 61.0, 40.0),
        ] {
            let shape = Shape::of(&valleys(&line), age, None).unwrap();
            assert!((shape.base / mib - base).abs() < 1e-9, "{name}: {}", shape.base);
        }
    }

    #[test]
    fn measures_of_a_line() {
        let line: Vec<f64> = (0..7).map(|i| f64::from(i) * 100.0).collect();
        let shape = Shape::of(&valleys(&line), 0.0, Some(1600)).unwrap();
        assert_eq!((shape.span(), shape.rise(), shape.persistence()), (60.0, 600.0, 1.0));
        assert_eq!((shape.early, shape.late, shape.seconds_left()), (10.0, 10.0, Some(100.0)));
        assert_eq!((shape.retention, shape.measured), (None, 7));
    }

    #[test]
    fn of_two_points_the_birth_is_the_third_if_all_is_one_line() {
        let mib = 1_048_576.0;
        let two = valleys(&[54.0 * mib, 64.0 * mib]);
        let shape = Shape::of(&two, 10.0, None).map(|shape| (shape.points.len(), shape.measured));
        assert_eq!(shape, None, "most of it came before");
        let two: Vec<Valley> = two.iter().map(|v| Valley { t: v.t + 40.0, ..*v }).collect();
        let shape = Shape::of(&two, 10.0, None).unwrap();
        assert_eq!((shape.points.len(), shape.measured, shape.first()), (3, 2, (-10.0, NEWBORN)));
    }
}

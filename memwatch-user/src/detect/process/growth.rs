//! What the growth of a series looks like: the part of its points that counts, and its measures.

use crate::detect::trend::{Point, Trend, slope};

/// Fewest points that a leak is called by.
pub(super) const MIN_POINTS: usize = 12;
/// Halves, and what follows a step, have no fewer.
const ENOUGH_LEFT: usize = MIN_POINTS;
/// An older half that is so much steeper than the newer is a warm-up.
const FADING: f64 = 3.0;
/// A rise between neighbours that is more than this share of all growth is a step.
const STEP_SHARE: f64 = 0.4;
/// The newest points by which it is judged whether growth goes on: these shares of the span.
const TAIL_SHARES: [f64; 2] = [0.25, 0.125];

/// The measures of a window of points.
#[derive(Clone, Debug)]
pub(super) struct Growth {
    pub(super) points: Vec<Point>,
    pub(super) trend: Trend,
    /// Slope of the older half, a second.
    pub(super) early: f64,
    /// Slope of the newer half, a second.
    pub(super) late: f64,
    /// Slope of the newest quarter or eighth, whichever is less steep, a second.
    pub(super) tail: f64,
}

impl Growth {
    /// The measures of those of `points` that count: start-up, which ends at `settled_s`, is left out if enough others
    /// follow; so is a beginning that is steep and fades, and what lies before a step.
    ///
    /// `None` below three points.
    pub(super) fn of(points: &[Point], settled_s: f64) -> Option<Self> {
        let settled = &points[points.partition_point(|point| point.0 < settled_s)..];
        let after_start_up = if settled.len() >= ENOUGH_LEFT { settled } else { points };
        let points = after_step(after_fading(after_start_up)).to_vec();
        let trend = Trend::of(&points)?;
        let half = points.len().div_ceil(2);
        let early = slope(&points[..half]).unwrap_or(0.0);
        let late = slope(&points[points.len() - half..]).unwrap_or(0.0);
        let tails = TAIL_SHARES.map(|share| slope(tail(&points, share)).unwrap_or(0.0));
        let tail = tails[0].min(tails[1]);
        Some(Self { points, trend, early, late, tail })
    }

    pub(super) fn first(&self) -> Point {
        self.points.first().copied().unwrap_or_default()
    }

    pub(super) fn last(&self) -> Point {
        self.points.last().copied().unwrap_or_default()
    }

    /// Seconds between the first point and the last.
    pub(super) fn span(&self) -> f64 {
        self.last().0 - self.first().0
    }

    /// By how much the line rises over the span.
    pub(super) fn rise(&self) -> f64 {
        self.trend.slope * self.span()
    }

    /// The newer half's slope in units of the whole's: 1 for a straight line, 0 for a plateau.
    pub(super) fn persistence(&self) -> f64 {
        if self.trend.slope > 0.0 { self.late / self.trend.slope } else { 0.0 }
    }
}

/// The newest points, this share of the span and at least four.
fn tail(points: &[Point], share: f64) -> &[Point] {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return points };
    let from = points.partition_point(|point| point.0 < last.0 - share * (last.0 - first.0));
    &points[from.min(points.len().saturating_sub(4))..]
}

fn after_fading(mut points: &[Point]) -> &[Point] {
    while points.len() >= 2 * ENOUGH_LEFT {
        let (old, new) = points.split_at(points.len() / 2);
        let steepness = |half: &[Point]| slope(half).unwrap_or(0.0);
        if steepness(old) <= FADING * steepness(new).max(0.0) {
            break;
        }
        points = new;
    }
    points
}

/// What follows the last step that makes much of the growth, if it is enough to judge.
fn after_step(points: &[Point]) -> &[Point] {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return points };
    let growth = last.1 - first.1;
    let step = points.windows(2).rposition(|pair| pair[1].1 - pair[0].1 > STEP_SHARE * growth);
    let rest = step.filter(|_| growth > 0.0).map(|i| &points[i + 1..]);
    rest.filter(|rest| rest.len() >= ENOUGH_LEFT).unwrap_or(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(ys: impl IntoIterator<Item = f64>) -> Vec<Point> {
        ys.into_iter().enumerate().map(|(i, y)| (2.5 * i as f64, y)).collect()
    }

    #[test]
    fn the_part_that_counts() {
        let line = points((0..30).map(f64::from));
        let fill = points((0..30).map(|i| f64::from(i).min(14.0)));
        let step = points((0..30).map(|i| f64::from(i) * 0.1 + if i > 9 { 50.0 } else { 0.0 }));
        for (name, points, settled_s, first) in [
            ("an old process's line", &line, -1e6, (0.0, 0.0)),
            ("a young process's line", &line, 10.0, (10.0, 4.0)),
            ("a line that is all start-up", &line, 100.0, (0.0, 0.0)),
            ("a fill", &fill, -1e6, (37.5, 14.0)),
            ("a step", &step, -1e6, (25.0, 51.0)),
        ] {
            assert_eq!(Growth::of(points, settled_s).unwrap().first(), first, "{name}");
        }
    }

    #[test]
    fn measures_of_a_line_and_of_one_that_ends() {
        let line = Growth::of(&points((0..20).map(|i| f64::from(i) * 5.0)), 0.0).unwrap();
        assert_eq!((line.span(), line.rise(), line.persistence()), (47.5, 95.0, 1.0));
        assert_eq!((line.early, line.late, line.tail), (2.0, 2.0, 2.0));
        let ends = Growth::of(&points((0..20).map(|i| f64::from(i.min(15)) * 5.0)), 0.0).unwrap();
        assert!(ends.tail <= 0.0 && ends.late > 0.0, "{ends:?}");
        assert!(Growth::of(&points([1.0, 2.0]), 0.0).is_none());
    }
}

//! A straight line through the last 64 sizes (after mark-compacts, or resident) by least squares, and a threshold on its slope.

use std::collections::VecDeque;

use super::{Alarm, Detector};
use crate::{HOUR, MIB};

const WINDOW: usize = 64;
const ENOUGH: usize = 5;

/// Alarms where the slope is steep.
pub struct Slope {
    /// Bytes a second.
    threshold: f64,
    points: VecDeque<(f64, f64)>,
    alarmed: bool,
}

impl Slope {
    /// Alarms above so many MiB an hour.
    #[must_use]
    pub fn new(mib_per_hour: f64) -> Self {
        Self { threshold: mib_per_hour * MIB / HOUR, points: VecDeque::new(), alarmed: false }
    }
}

impl Detector for Slope {
    fn sample(&mut self, at_s: f64, bytes: f64) -> Option<Alarm> {
        let point = (at_s, bytes);
        if self.points.len() == WINDOW {
            self.points.pop_front();
        }
        self.points.push_back(point);
        let slope = least_squares(&self.points).map_or(0.0, |line| line.1);
        let steep = self.points.len() >= ENOUGH && slope > self.threshold;
        let was = std::mem::replace(&mut self.alarmed, steep);
        (steep && !was).then_some(Alarm { at_s: point.0, rate: Some(slope * HOUR) })
    }
}

/// Value at the last point, and slope, of the line through `points`; `None` without two times.
pub(super) fn least_squares(points: &VecDeque<(f64, f64)>) -> Option<(f64, f64)> {
    let (last, n) = (points.back()?.0, points.len() as f64);
    let (mut t, mut y, mut tt, mut ty) = (0.0, 0.0, 0.0, 0.0);
    for (at, value) in points {
        let at = at - last;
        t += at;
        y += value;
        tt += at * at;
        ty += at * value;
    }
    let spread = tt - t * t / n;
    let slope = (ty - t * y / n) / spread;
    (spread > 0.0).then(|| (y / n - slope * t / n, slope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_exactly() {
        let points = (0..9_u32).map(|i| (f64::from(i), 5.0 + 2.0 * f64::from(i))).collect();
        let (end, slope) = least_squares(&points).unwrap();
        assert!((end - 21.0).abs() < 1e-9 && (slope - 2.0).abs() < 1e-9);
    }
}

//! The Mann–Kendall test alone, over the last 64 sizes, as the literature on software ageing uses it.

use std::collections::VecDeque;

use super::{Alarm, Detector};

const WINDOW: usize = 64;
const ENOUGH: usize = 8;

/// Alarms where Z is large.
pub struct Kendall {
    z: f64,
    points: VecDeque<f64>,
    /// Kendall's S of `points`, kept up to date as they come and go.
    s: f64,
    alarmed: bool,
}

impl Kendall {
    /// Alarms above `z`.
    #[must_use]
    pub const fn new(z: f64) -> Self {
        Self { z, points: VecDeque::new(), s: 0.0, alarmed: false }
    }

    fn push(&mut self, y: f64) {
        if self.points.len() == WINDOW
            && let Some(oldest) = self.points.pop_front()
        {
            self.s -= self.points.iter().map(|later| sign(later - oldest)).sum::<f64>();
        }
        self.s += self.points.iter().map(|earlier| sign(y - earlier)).sum::<f64>();
        self.points.push_back(y);
    }
}

fn sign(d: f64) -> f64 {
    f64::from(i8::from(d > 0.0) - i8::from(d < 0.0))
}

impl Detector for Kendall {
    fn sample(&mut self, at_s: f64, bytes: f64) -> Option<Alarm> {
        self.push(bytes);
        let n = self.points.len() as f64;
        let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
        let z = (self.s - sign(self.s)) / variance.sqrt();
        let was = std::mem::replace(&mut self.alarmed, self.points.len() >= ENOUGH && z > self.z);
        (self.alarmed && !was).then_some(Alarm { at_s, rate: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_is_that_of_the_window() {
        let mut kendall = Kendall::new(3.0);
        (0..100_u32).for_each(|i| kendall.push(f64::from(i)));
        assert_eq!((kendall.points.len(), kendall.s), (WINDOW, 2016.0));
        kendall.push(-1.0);
        assert_eq!((kendall.points.len(), kendall.s), (WINDOW, 2016.0 - 126.0));
    }
}

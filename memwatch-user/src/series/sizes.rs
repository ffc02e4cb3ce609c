//! How large a heap was lately, after collections of any kind: never less than what was live then.

/// Sizes kept, and the least time between two of them, seconds: the last minute and a bit.
const CAPACITY: usize = 36;
const MIN_DISTANCE_S: f64 = 2.0;

/// The last sizes.
#[derive(Clone, Debug)]
pub struct Sizes {
    len: usize,
    points: [(f64, f64); CAPACITY],
}

impl Default for Sizes {
    fn default() -> Self {
        Self { len: 0, points: [(0.0, 0.0); CAPACITY] }
    }
}

impl Sizes {
    /// Takes in the size after a collection, `bytes` at `t` seconds.
    pub(super) fn add(&mut self, t: f64, bytes: f64) {
        if self.points().last().is_some_and(|last| t - last.0 < MIN_DISTANCE_S) {
            return;
        }
        if self.len == CAPACITY {
            self.points.rotate_left(1);
            self.len -= 1;
        }
        self.points[self.len] = (t, bytes);
        self.len += 1;
    }

    /// Seconds and bytes, in order of time.
    #[must_use]
    pub fn points(&self) -> &[(f64, f64)] {
        &self.points[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_some_seconds_apart() {
        let mut sizes = Sizes::default();
        (0..1000_u32).for_each(|t| sizes.add(f64::from(t) / 4.0, f64::from(t)));
        let points = sizes.points();
        assert_eq!((points.len(), points.last()), (CAPACITY, Some(&(248.0, 992.0))));
        assert!(points.windows(2).all(|pair| pair[1].0 - pair[0].0 >= MIN_DISTANCE_S));
    }
}

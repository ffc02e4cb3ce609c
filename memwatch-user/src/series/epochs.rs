//! The lowest value from one mark-compact to the next: what garbage may hold is only known live when a mark-compact has
//! taken the rest.
//!
//! The value at the end of a mark-compact still holds what it found dead: V8 frees buffers on another thread some
//! milliseconds later. So the lowest of the readings that follow counts.

/// Epochs kept; when there are more, each pair of neighbours becomes one.
pub(crate) const CAPACITY: usize = 32;
/// A shorter epoch is part of the one before it: V8 collects twice within a second when a process falls idle, several
/// times a second near its limits, and the readings are a second apart.
const MIN_EPOCH_S: f64 = 2.0;

/// The readings from one mark-compact to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Epoch {
    /// When the mark-compact ended, seconds.
    begin: f64,
    /// Seconds and value of the lowest reading.
    low: (f64, f64),
}

/// The epochs of one series.
#[derive(Clone, Debug, Default)]
pub struct Epochs {
    /// Since the first mark-compact.
    epochs: Vec<Epoch>,
    /// When the mark-compact ended that the next reading follows.
    opens: Option<f64>,
}

impl Epochs {
    /// Takes in the value `y` at `t` seconds.
    pub fn observe(&mut self, t: f64, y: f64) {
        if !(t.is_finite() && y.is_finite()) {
            return;
        }
        if let Some(begin) = self.opens.take() {
            self.push(Epoch { begin, low: (t, y) });
        } else if let Some(epoch) = self.epochs.last_mut().filter(|epoch| y < epoch.low.1) {
            epoch.low = (t, y);
        }
    }

    /// Takes in that a mark-compact ended at `t` seconds.
    pub fn mark_compact(&mut self, t: f64) {
        let is_new = self.epochs.last().is_none_or(|epoch| t - epoch.begin >= MIN_EPOCH_S);
        if self.opens.is_none() && is_new {
            self.opens = Some(t);
        }
    }

    /// Seconds and value of the lowest reading after each mark-compact, in order of time; the last one may still become
    /// lower.
    #[must_use]
    pub fn lows(&self) -> impl DoubleEndedIterator<Item = (f64, f64)> {
        self.epochs.iter().map(|epoch| epoch.low)
    }

    fn push(&mut self, epoch: Epoch) {
        if self.epochs.len() >= CAPACITY {
            let lower = |a: Epoch, b: Epoch| if b.low.1 < a.low.1 { b } else { a };
            let pairs = self.epochs.chunks(2);
            self.epochs = pairs.filter_map(|pair| pair.iter().copied().reduce(lower)).collect();
        }
        self.epochs.push(epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readings each second of a base that grows by `base` and garbage that grows by `garbage` a second, with a
    /// mark-compact every ten seconds, half a second before a reading.
    fn fed(seconds: u32, base: f64, garbage: f64) -> Epochs {
        let mut epochs = Epochs::default();
        for t in 0..seconds {
            if t % 10 == 0 && t > 0 {
                epochs.mark_compact(f64::from(t) - 0.5);
            }
            epochs.observe(f64::from(t), 100.0 + base * f64::from(t) + garbage * f64::from(t % 10));
        }
        epochs
    }

    #[test]
    fn the_lowest_after_each_mark_compact_is_what_is_live() {
        assert_eq!(fed(30, 1.0, 5.0).lows().collect::<Vec<_>>(), [(10.0, 110.0), (20.0, 120.0)]);
        assert_eq!(fed(10, 1.0, 5.0).lows().count(), 0);
    }

    #[test]
    fn what_is_freed_late_still_counts() {
        let mut epochs = Epochs::default();
        epochs.mark_compact(1.0);
        for (t, y) in [(1.1, 90.0), (2.1, 40.0), (3.1, 55.0)] {
            epochs.observe(t, y);
        }
        assert_eq!(epochs.lows().collect::<Vec<_>>(), [(2.1, 40.0)]);
    }

    #[test]
    fn mark_compacts_that_follow_closely_are_one() {
        let mut epochs = fed(11, 1.0, 0.0);
        for i in 0..80 {
            epochs.mark_compact(11.0 + f64::from(i) * 0.005);
            epochs.observe(11.0 + f64::from(i) * 0.005, 111.0);
        }
        assert_eq!(epochs.lows().count(), 1);
    }

    #[test]
    fn many_epochs_stay_bounded_and_keep_the_lowest() {
        let epochs = fed(100_000, 0.0, 5.0);
        assert!((CAPACITY / 2..=CAPACITY).contains(&epochs.epochs.len()));
        assert!(epochs.lows().all(|low| low.1 <= 100.0));
        assert!(epochs.lows().is_sorted_by(|a, b| a.0 < b.0));
        assert!(size_of::<Epoch>() * epochs.epochs.capacity() + size_of::<Epochs>() < 4096);
    }

    #[test]
    fn absurd_values_are_ignored() {
        let mut epochs = fed(20, 1.0, 0.0);
        let before = epochs.lows().collect::<Vec<_>>();
        epochs.observe(f64::NAN, 1.0);
        epochs.observe(21.0, f64::NEG_INFINITY);
        assert_eq!(epochs.lows().collect::<Vec<_>>(), before);
    }
}

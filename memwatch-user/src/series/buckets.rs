//! A series that is read at an interval, as the lowest value of each stretch of time.
//!
//! What a process holds wobbles with what it is doing at the moment; the lowest value of some seconds is closest to
//! what it keeps.

/// Buckets kept. When there are more, neighbours are merged and each covers twice the time: the reach doubles and the
/// state does not.
pub(crate) const CAPACITY: usize = 64;
/// Seconds that a bucket covers at first: twelve buckets, the fewest that are judged, fill in half a minute. The width
/// is 10 s from the sixth minute on.
const FIRST_WIDTH_S: f64 = 2.5;

/// The lowest values of one series: pairs of seconds and a value, in order of time. A time without a reading has no
/// bucket; it is never taken for a zero.
#[derive(Clone, Debug)]
pub struct Buckets {
    width: f64,
    lows: Vec<(f64, f64)>,
    /// Of the last reading.
    latest: f64,
    /// Buckets begun so far, including those merged since.
    begun: u64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { width: FIRST_WIDTH_S, lows: Vec::new(), latest: 0.0, begun: 0 }
    }
}

impl Buckets {
    /// Takes in the value `y` at `t` seconds. A reading from before the last one, or one that is no number, is ignored.
    pub fn observe(&mut self, t: f64, y: f64) {
        if !(t >= self.latest && t.is_finite() && y.is_finite()) {
            return;
        }
        self.latest = t;
        match self.lows.last().copied() {
            Some(last) if same_bucket(last.0, t, self.width) => self.lower(last, (t, y)),
            _ => self.begin((t, y)),
        }
    }

    /// The lowest values of all buckets that are over: nothing can lower them any more.
    #[must_use]
    pub fn closed(&self) -> &[(f64, f64)] {
        &self.lows[..self.lows.len().saturating_sub(1)]
    }

    /// Buckets begun so far. A change says that another one is over and can be judged.
    #[must_use]
    pub fn begun(&self) -> u64 {
        self.begun
    }

    fn lower(&mut self, last: (f64, f64), point: (f64, f64)) {
        if let Some(low) = self.lows.last_mut().filter(|_| point.1 < last.1) {
            *low = point;
        }
    }

    fn begin(&mut self, point: (f64, f64)) {
        while self.lows.len() >= CAPACITY {
            self.widen();
        }
        match self.lows.last().copied() {
            Some(last) if same_bucket(last.0, point.0, self.width) => self.lower(last, point),
            _ => self.lows.push(point),
        }
        self.begun += 1;
    }

    /// Doubles the width; of the values that now share a bucket the lowest stays.
    fn widen(&mut self) {
        self.width *= 2.0;
        let width = self.width;
        self.lows.dedup_by(|later, kept| {
            let same = same_bucket(kept.0, later.0, width);
            if same && later.1 < kept.1 {
                *kept = *later;
            }
            same
        });
    }
}

/// Whether `later` is in the bucket that `earlier` is in.
fn same_bucket(earlier: f64, later: f64, width: f64) -> bool {
    (later / width).floor() - (earlier / width).floor() < 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(readings: impl IntoIterator<Item = (f64, f64)>) -> Buckets {
        let mut buckets = Buckets::default();
        for (t, y) in readings {
            buckets.observe(t, y);
        }
        buckets
    }

    #[test]
    fn each_bucket_keeps_its_lowest_and_the_open_one_does_not_count() {
        let buckets = fed([(0.0, 5.0), (1.0, 3.0), (2.0, 4.0), (3.0, 9.0), (4.0, 8.0), (5.0, 1.0)]);
        assert_eq!(buckets.closed(), [(1.0, 3.0), (4.0, 8.0)]);
        assert_eq!(buckets.begun(), 3);
    }

    #[test]
    fn a_gap_has_no_bucket() {
        let buckets = fed([(0.0, 5.0), (1000.0, 7.0), (1003.0, 7.0)]);
        assert_eq!(buckets.closed(), [(0.0, 5.0), (1000.0, 7.0)]);
    }

    #[test]
    fn what_cannot_be_is_ignored() {
        let odd = [(f64::NAN, 1.0), (2.0, f64::INFINITY), (-1.0, 1.0), (f64::INFINITY, 1.0)];
        assert_eq!(fed(odd).begun(), 0);
        assert_eq!(fed([(10.0, 5.0), (3.0, 1.0), (20.0, 5.0)]).closed(), [(10.0, 5.0)]);
    }

    #[test]
    fn a_week_stays_bounded_ordered_and_reaches_back() {
        let buckets = fed((0..7 * 86_400).map(|t| (f64::from(t), 100.0 + f64::from(t % 60))));
        let closed = buckets.closed();
        assert!((CAPACITY / 2 - 1..CAPACITY).contains(&closed.len()), "{}", closed.len());
        assert!(closed.is_sorted_by(|a, b| a.0 < b.0) && closed[0].0 < 3600.0);
        assert!(closed.iter().all(|point| point.1 <= 100.0));
    }

    #[test]
    fn times_far_apart_are_merged_until_they_fit() {
        let buckets = fed((0..2000).map(|i| (f64::from(i) * 1e12, 1.0)));
        assert!(buckets.closed().len() < CAPACITY);
    }

    #[test]
    fn the_state_is_below_four_kib() {
        let buckets = fed((0..10_000).map(|t| (f64::from(t), 1.0)));
        let state = size_of::<Buckets>() + buckets.lows.capacity() * size_of::<(f64, f64)>();
        assert!(state < 4096, "{state}");
    }
}

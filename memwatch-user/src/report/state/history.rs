//! The heap over the whole time we watch, in memory of fixed size: when the buckets run out, neighbours are merged
//! and each covers twice the time. Lows and highs survive merging, so a peak never vanishes from the picture.

use crate::report::time::Time;

/// Four times the dots of a chart 100 columns wide (braille has two a column): finer cannot be seen.
pub(crate) const BUCKETS: usize = 512;
/// What a bucket covers at first; 512 of them are two minutes.
const FIRST_WIDTH_MS: i64 = 250;

/// What happened in one stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Which stretch: multiples of the width since the first collection.
    index: i64,
    /// Smallest size after a collection.
    pub low: u64,
    /// Largest size before a collection.
    pub high: u64,
    /// Smallest size after a mark-compact, if there was one.
    pub base: Option<u64>,
}

impl Bucket {
    fn absorb(&mut self, other: Self) {
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
        self.base = match (self.base, other.base) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// The heap over time.
#[derive(Clone, Debug, Default)]
pub struct History {
    start: Option<Time>,
    doublings: u32,
    buckets: Vec<Bucket>,
    last_base: Option<u64>,
}

impl History {
    /// Adds a collection; one of which a size was not seen counts with the other, one without sizes not at all.
    pub fn push(&mut self, ts: Time, before: Option<u64>, after: Option<u64>, full: bool) {
        let (Some(low), Some(high)) = (after.or(before), before.or(after)) else { return };
        let start = *self.start.get_or_insert(ts);
        let base = after.filter(|_| full);
        self.last_base = base.or(self.last_base);
        let elapsed = ts.unix_ms().saturating_sub(start.unix_ms()).max(0);
        while elapsed / self.width_ms() >= i64::try_from(BUCKETS).unwrap_or(i64::MAX) {
            self.merge_neighbours();
        }
        self.add(Bucket { index: elapsed / self.width_ms(), low: low.min(high), high: high.max(low), base });
    }

    fn add(&mut self, new: Bucket) {
        match self.buckets.last_mut() {
            // Clocks are set back now and then: what is late joins the last bucket.
            Some(last) if last.index >= new.index => last.absorb(new),
            _ => self.buckets.push(new),
        }
    }

    fn merge_neighbours(&mut self) {
        self.doublings += 1;
        for mut bucket in std::mem::take(&mut self.buckets) {
            bucket.index /= 2;
            self.add(bucket);
        }
    }

    fn width_ms(&self) -> i64 {
        FIRST_WIDTH_MS.saturating_mul(1_i64.checked_shl(self.doublings).unwrap_or(i64::MAX))
    }

    /// Time of the first collection.
    #[must_use]
    pub const fn start(&self) -> Option<Time> {
        self.start
    }

    /// Size after the latest mark-compact.
    #[must_use]
    pub const fn last_base(&self) -> Option<u64> {
        self.last_base
    }

    /// The buckets in which something happened, with seconds since the first collection.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, &Bucket)> {
        let width_s = self.width_ms() as f64 / 1e3;
        self.buckets.iter().map(move |bucket| (bucket.index as f64 * width_s, bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A collection every `every_ms`, from 100 + i down to 50 + i; every tenth is full.
    fn history(collections: u64, every_ms: i64) -> History {
        let mut history = History::default();
        for i in 0..collections {
            let ts = Time::from_unix_ms(i64::try_from(i).unwrap() * every_ms);
            history.push(ts, Some(100 + i), Some(50 + i), i % 10 == 0);
        }
        history
    }

    #[test]
    fn merging_keeps_the_whole_time_the_lows_the_highs_and_the_bases() {
        for (collections, every_ms) in [(3, 1), (100, 1_000), (20_000, 700), (5_000, 60_000)] {
            let history = history(collections, every_ms);
            let buckets: Vec<_> = history.buckets().collect();
            assert!(buckets.len() <= BUCKETS);
            assert_eq!(buckets.iter().map(|(_, bucket)| bucket.low).min(), Some(50));
            assert_eq!(buckets.iter().map(|(_, bucket)| bucket.high).max(), Some(99 + collections));
            assert_eq!(buckets.iter().filter_map(|(_, bucket)| bucket.base).min(), Some(50));
            let end_s = (collections - 1) as f64 * every_ms as f64 / 1e3;
            assert!(buckets.last().unwrap().0 <= end_s && buckets.last().unwrap().0 >= end_s * 0.99 - 1.0);
        }
    }

    #[test]
    fn a_clock_set_back_and_unknown_sizes_do_no_harm() {
        let mut history = history(10, 1_000);
        history.push(Time::from_unix_ms(-5_000), Some(1), None, true);
        history.push(Time::from_unix_ms(5_000), None, None, true);
        assert_eq!(history.buckets().count(), 10);
        assert_eq!(history.buckets().last().map(|(_, bucket)| bucket.low), Some(1));
        assert_eq!(history.last_base(), Some(50));
    }
}

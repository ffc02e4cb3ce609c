//! How long JavaScript stood still: every pause in one histogram.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Two significant digits: percentiles within 1 %, in 1 KiB that grows to 6 KiB with a pause of 100 ms. Three digits
/// would take eight times that, for every isolate of every process.
const DIGITS: u8 = 2;
/// Longer pauses (a stopped process) count as an hour in the percentiles, so that no value makes the histogram grow
/// beyond 14 KiB.
const LONGEST_US: u64 = 3_600_000_000;

/// Pauses of one isolate.
#[derive(Clone, Debug)]
pub struct Pauses {
    /// Microseconds, from 1 to [`LONGEST_US`].
    histogram: Option<Histogram<u32>>,
    max: Duration,
    total: Duration,
}

/// Percentiles of pauses, microseconds; all zero while there was no pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

impl Default for Pauses {
    fn default() -> Self {
        let mut histogram = Histogram::new(DIGITS).ok();
        if let Some(histogram) = &mut histogram {
            histogram.auto(true);
        }
        Self { histogram, max: Duration::ZERO, total: Duration::ZERO }
    }
}

impl Pauses {
    /// Takes in one pause.
    pub fn add(&mut self, pause: Duration) {
        self.total += pause;
        self.max = self.max.max(pause);
        if let Some(histogram) = &mut self.histogram {
            let us = micros(pause).clamp(1, LONGEST_US);
            if histogram.record(us).is_err() {
                histogram.saturating_record(us);
            }
        }
    }

    /// All pauses together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.total
    }

    /// Median, 90th and 99th percentile within 1 %, and the exact maximum.
    #[must_use]
    pub fn percentiles(&self) -> Percentiles {
        let Some(histogram) = self.histogram.as_ref().filter(|h| !h.is_empty()) else {
            return Percentiles::default();
        };
        let max = micros(self.max);
        let at = |quantile| histogram.value_at_quantile(quantile).min(max);
        Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), max }
    }
}

fn micros(pause: Duration) -> u64 {
    u64::try_from(pause.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_one_percent_and_the_maximum_is_exact() {
        let mut pauses = Pauses::default();
        for us in 1..=10_000 {
            pauses.add(Duration::from_micros(us));
        }
        let p = pauses.percentiles();
        for (got, want) in [(p.p50, 5_000_u64), (p.p90, 9_000), (p.p99, 9_900)] {
            assert!(got.abs_diff(want) * 100 <= want, "{got} is not {want}");
        }
        assert_eq!((p.max, pauses.histogram.as_ref().map_or(0, Histogram::len)), (10_000, 10_000));
        assert_eq!(pauses.total(), Duration::from_millis(50_005));
    }

    #[test]
    fn none_and_extremes_are_no_trouble() {
        assert_eq!(Pauses::default().percentiles(), Percentiles::default());
        let mut pauses = Pauses::default();
        pauses.add(Duration::ZERO);
        assert_eq!(pauses.percentiles().max, 0);
        pauses.add(Duration::from_secs(86_401));
        assert_eq!(pauses.percentiles().max, 86_401_000_000);
    }
}

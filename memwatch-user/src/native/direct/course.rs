//! How what a site holds has risen: whether it goes on. Pure.

use std::time::Duration;

use crate::model::Mono;

/// How much more is a rise: less is noise of what is touched late.
const STEP_BYTES: u64 = 128 << 10;
/// Fewer rises say nothing of a site: what is mapped once, or is filled in a few steps, is held and no leak.
const FEWEST: u32 = 4;
/// A site that rose as often as it did, and then did not for so many of the usual times, has stopped: if it went on, the
/// probability of that would be a thousandth (the distribution of such waits is exponential).
const WAITS: u32 = 7;

/// The course of one site's bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Course {
    highest: u64,
    rises: u32,
    first: Mono,
    last: Mono,
}

impl Course {
    /// Takes in what it holds now.
    pub(super) fn reading(&mut self, now: Mono, bytes: u64) {
        if bytes >= self.highest.saturating_add(STEP_BYTES) {
            self.highest = bytes;
            if self.rises == 0 {
                self.first = now;
            }
            self.rises += 1;
            self.last = now;
        }
    }

    /// Whether it rose often enough, and goes on rising.
    pub(super) fn goes_on(&self, now: Mono) -> bool {
        self.rises >= FEWEST && now.since(self.last) <= WAITS * self.usual_wait()
    }

    fn usual_wait(&self) -> Duration {
        self.last.since(self.first) / self.rises.saturating_sub(1).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds at which it goes on, of a course that is read each second for two minutes.
    fn goes_on(mib: impl Fn(u64) -> u64) -> Vec<u64> {
        let mut course = Course::default();
        let mut told = Vec::new();
        for second in 0..120 {
            let now = Mono(second * 1_000_000_000);
            course.reading(now, mib(second) << 20);
            if course.goes_on(now) {
                told.push(second);
            }
        }
        told
    }

    #[test]
    fn a_leak_goes_on_and_a_cache_stops() {
        assert_eq!(goes_on(|second| second), (4..120).collect::<Vec<_>>(), "one a second");
        assert_eq!(goes_on(|second| second / 10), (40..120).collect::<Vec<_>>(), "one each ten seconds");
        assert_eq!(goes_on(|second| second.min(20)), (4..28).collect::<Vec<_>>(), "full after twenty");
    }

    #[test]
    fn what_is_mapped_once_or_comes_and_goes_does_not() {
        assert!(goes_on(|_| 500).is_empty(), "at once");
        assert!(goes_on(|second| 100 * u64::from(second > 50)).is_empty(), "late");
        assert!(goes_on(|second| second % 3).is_empty(), "to and fro");
        assert!(goes_on(|_| 0).is_empty(), "reserved and not touched");
    }
}

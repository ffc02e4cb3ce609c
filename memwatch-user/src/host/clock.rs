//! The kernel side's clock, and what the calendar said at a point on it.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::model::Mono;

const NS_PER_S: i64 = 1_000_000_000;
const NS_PER_MS: i64 = 1_000_000;

/// Now, on the clock that the kernel side stamps events with.
#[must_use]
pub fn now() -> Mono {
    Mono(u64::try_from(nanoseconds(clock_gettime(ClockId::Monotonic))).unwrap_or(0))
}

/// Turns points on `CLOCK_MONOTONIC` into calendar time. Sampled once: records of one run never go backwards when the
/// calendar is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// Calendar minus monotonic, nanoseconds.
    offset_ns: i64,
}

impl WallClock {
    /// Compares the clocks. The calendar is read between two readings of the monotonic clock, so that being preempted
    /// in between costs half of the gap at most.
    #[must_use]
    pub fn sample() -> Self {
        let before = nanoseconds(clock_gettime(ClockId::Monotonic));
        let calendar = nanoseconds(clock_gettime(ClockId::Realtime));
        let after = nanoseconds(clock_gettime(ClockId::Monotonic));
        Self { offset_ns: calendar - before.midpoint(after) }
    }

    /// Milliseconds since 1970 at `time`.
    #[must_use]
    pub fn unix_ms(self, time: Mono) -> i64 {
        let monotonic = i64::try_from(time.0).unwrap_or(i64::MAX);
        monotonic.saturating_add(self.offset_ns).div_euclid(NS_PER_MS)
    }
}

const fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec * NS_PER_S + time.tv_nsec
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    const CLOCK: WallClock = WallClock { offset_ns: 1_000_000_500_000 };

    #[test]
    fn adds_the_offset_and_saturates() {
        assert_eq!(CLOCK.unix_ms(Mono(0)), 1_000_000);
        assert_eq!(CLOCK.unix_ms(Mono(2_500_000)), 1_000_003);
        assert_eq!(CLOCK.unix_ms(Mono(u64::MAX)), i64::MAX / NS_PER_MS);
    }

    #[test]
    fn agrees_with_the_calendar() {
        let calendar = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let ours = WallClock::sample().unix_ms(now());
        assert!(i64::try_from(calendar).unwrap().abs_diff(ours) < 1000);
    }
}

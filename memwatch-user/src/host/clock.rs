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
    calendar_offset_ns: i64,
    /// Time since boot minus monotonic, nanoseconds: what the host spent suspended.
    suspended_ns: i64,
}

impl WallClock {
    /// Compares the clocks. The calendar is read between two readings of the monotonic clock, so that being preempted
    /// in between costs half of the gap at most.
    #[must_use]
    pub fn sample() -> Self {
        let before = nanoseconds(clock_gettime(ClockId::Monotonic));
        let calendar = nanoseconds(clock_gettime(ClockId::Realtime));
        let boot = nanoseconds(clock_gettime(ClockId::Boottime));
        let after = nanoseconds(clock_gettime(ClockId::Monotonic));
        let monotonic = before.midpoint(after);
        Self { calendar_offset_ns: calendar - monotonic, suspended_ns: boot - monotonic }
    }

    /// Milliseconds since 1970 at `time`.
    #[must_use]
    pub fn unix_ms(self, time: Mono) -> i64 {
        let monotonic = i64::try_from(time.0).unwrap_or(i64::MAX);
        monotonic.saturating_add(self.calendar_offset_ns).div_euclid(NS_PER_MS)
    }

    /// Milliseconds since 1970 when a process started, from field 22 of its `/proc/PID/stat`: clock ticks since boot,
    /// suspension included.
    #[must_use]
    pub fn unix_ms_of_ticks(self, start_ticks: u64) -> i64 {
        let hz = i64::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100).max(1);
        let ticks = i64::try_from(start_ticks).unwrap_or(i64::MAX);
        let since_boot = ticks.saturating_mul(NS_PER_S / hz);
        (since_boot.saturating_sub(self.suspended_ns))
            .saturating_add(self.calendar_offset_ns)
            .div_euclid(NS_PER_MS)
    }
}

const fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec * NS_PER_S + time.tv_nsec
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    const CLOCK: WallClock = WallClock { calendar_offset_ns: 1_000_000_500_000, suspended_ns: 2 * NS_PER_S };

    #[test]
    fn adds_the_offset_and_saturates() {
        assert_eq!(CLOCK.unix_ms(Mono(0)), 1_000_000);
        assert_eq!(CLOCK.unix_ms(Mono(2_500_000)), 1_000_003);
        assert_eq!(CLOCK.unix_ms(Mono(u64::MAX)), i64::MAX / NS_PER_MS);
    }

    #[test]
    fn start_times_leave_out_nothing_but_the_offset() {
        let hz = rustix::param::clock_ticks_per_second();
        assert_eq!(CLOCK.unix_ms_of_ticks(3 * hz), 1_000_000 + 1_000);
        assert!(CLOCK.unix_ms_of_ticks(u64::MAX) > 0);
    }

    #[test]
    fn agrees_with_the_calendar() {
        let calendar = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let ours = WallClock::sample().unix_ms(now());
        assert!(i64::try_from(calendar).unwrap().abs_diff(ours) < 1000);
    }
}

//! How often something dear may be done.

use std::time::Duration;

use crate::{host::own, model::Mono};

/// Rests between two turns, as multiples of the CPU time that a turn took: 0.25 % and 0.1 % of one CPU, so that all reading
/// of a target (two things often, two seldom) stays below 0.7 %. Not of the time that passed: on a busy host, where it
/// matters most, readings would become rare.
const REST: u32 = 400;
const LONG_REST: u32 = 1000;

/// When the next turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    rest: u32,
    next: Mono,
}

impl Pace {
    /// For what is worth 0.25 % of one CPU.
    pub(crate) const fn often() -> Self {
        Self { rest: REST, next: Mono(0) }
    }

    /// For what is worth 0.1 %.
    pub(crate) const fn seldom() -> Self {
        Self { rest: LONG_REST, next: Mono(0) }
    }

    /// Does it if it is due.
    pub(crate) fn run<T>(&mut self, now: Mono, work: impl FnOnce() -> T) -> Option<T> {
        if now < self.next {
            return None;
        }
        let before = own::thread_cpu();
        let result = work();
        self.next = self.after(now, own::thread_cpu().saturating_sub(before));
        Some(result)
    }

    fn after(self, now: Mono, took: Duration) -> Mono {
        let rest = took.saturating_mul(self.rest).as_nanos();
        Mono(now.0.saturating_add(u64::try_from(rest).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_in_proportion_to_the_work() {
        assert_eq!(Pace::often().after(Mono(5), Duration::from_nanos(10)), Mono(4005));
        assert_eq!(Pace::seldom().after(Mono(5), Duration::from_nanos(10)), Mono(10_005));
        assert_eq!(Pace::seldom().after(Mono(5), Duration::MAX), Mono(u64::MAX));
    }

    fn work_for(time: Duration) {
        let end = own::thread_cpu() + time;
        while own::thread_cpu() < end {}
    }

    #[test]
    fn not_before_it_is_due() {
        let mut pace = Pace::often();
        let rest_ns = 2_000_000 * u64::from(REST);
        assert_eq!(pace.run(Mono(0), || work_for(Duration::from_millis(2))), Some(()));
        assert_eq!(pace.run(Mono(rest_ns - 1), || ()), None);
        assert_eq!(pace.run(Mono(rest_ns * 1000), || ()), Some(()));
    }
}

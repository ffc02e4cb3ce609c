//! How often something dear may be done.

use std::time::Duration;

use crate::{host::clock, model::Mono};

/// What takes a second is done every 400 seconds: a share of 0.25 % of one CPU. There are two such things, so that all
/// reading of a target stays below 0.5 %. Time is what passed, not what the CPU spent: the time in which others wait for a
/// lock that we hold counts.
const REST: u32 = 400;

/// When the next turn is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pace {
    next: Mono,
}

impl Pace {
    /// Does it if it is due.
    pub(super) fn run<T>(&mut self, now: Mono, work: impl FnOnce() -> T) -> Option<T> {
        if now < self.next {
            return None;
        }
        let began = clock::now();
        let result = work();
        self.next = next(now, clock::now().since(began));
        Some(result)
    }
}

fn next(now: Mono, took: Duration) -> Mono {
    let rest = took.saturating_mul(REST).as_nanos();
    Mono(now.0.saturating_add(u64::try_from(rest).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn rests_in_proportion_to_the_work() {
        assert_eq!(next(Mono(5), Duration::from_nanos(10)), Mono(4005));
        assert_eq!(next(Mono(5), Duration::MAX), Mono(u64::MAX));
    }

    #[test]
    fn not_before_it_is_due() {
        let mut pace = Pace::default();
        let rest_ns = 2_000_000 * u64::from(REST);
        assert_eq!(pace.run(Mono(0), || thread::sleep(Duration::from_millis(2))), Some(()));
        assert_eq!(pace.run(Mono(rest_ns - 1), || ()), None);
        assert_eq!(pace.run(Mono(rest_ns * 1000), || ()), Some(()));
    }
}

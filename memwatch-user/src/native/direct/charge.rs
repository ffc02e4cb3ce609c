//! What following a process costs it, beside what it may: whether it is too much by now. Pure.

use crate::model::Mono;

/// What a process may pay at once, beyond the budget: seconds. One that starts a pool maps in a burst.
const BURST_S: f64 = 0.2;

/// What one process was charged lately. What it could have been charged and was not is forgotten: hours of idling buy no
/// minutes of a storm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Charge {
    /// Beyond the budget, seconds.
    beyond_s: f64,
    last: (Mono, u64),
    /// When it was last within the budget.
    within: (Mono, u64),
}

impl Charge {
    /// Of a process that is followed since `now`.
    pub(super) const fn new(now: Mono) -> Self {
        Self { beyond_s: 0.0, last: (now, 0), within: (now, 0) }
    }

    /// Takes in that there were so many `changes` until `now`, each of which costs `each_s` seconds, where `budget` is the share
    /// of one CPU that may be spent. If that is too much: changes a second since it was beyond the budget.
    pub(super) fn reading(&mut self, now: Mono, changes: u64, each_s: f64, budget: f64) -> Option<f64> {
        let (then, before) = self.last;
        let spent_s = changes.saturating_sub(before) as f64 * each_s;
        self.beyond_s = (self.beyond_s + spent_s - budget * now.since(then).as_secs_f64()).max(0.0);
        self.last = (now, changes);
        if self.beyond_s <= 0.0 {
            self.within = self.last;
        }
        let (since, before) = self.within;
        let seconds = now.since(since).as_secs_f64().max(1.0);
        (self.beyond_s > BURST_S).then(|| changes.saturating_sub(before) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Second at which it is too much, and the changes a second that are told, of a process that makes so many a second; each
    /// costs a hundred thousandth, and one percent may be spent.
    fn too_much(changes_per_s: impl Fn(u64) -> u64) -> Option<(u64, f64)> {
        let mut charge = Charge::new(Mono(0));
        let mut changes = 0;
        (1..100_000).find_map(|second| {
            changes += changes_per_s(second);
            let told = charge.reading(Mono(second * 1_000_000_000), changes, 1e-5, 0.01)?;
            Some((second, told))
        })
    }

    #[test]
    fn a_burst_is_paid_and_a_storm_is_not() {
        assert_eq!(too_much(|_| 1000), None, "as much as it may");
        assert_eq!(too_much(|second| if second % 60 == 1 { 20_000 } else { 0 }), None, "a burst a minute");
        assert_eq!(too_much(|_| 2000), Some((21, 2000.0)), "twice as much");
    }

    #[test]
    fn idling_buys_no_storm() {
        let storm = too_much(|second| if second > 36_000 { 11_000 } else { 0 });
        assert_eq!(storm, Some((36_003, 11_000.0)));
    }
}

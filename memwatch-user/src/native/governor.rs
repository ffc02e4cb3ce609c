//! How much may be looked at: windows whose traps stay within the budget. Pure.
//!
//! Two kinds share the budget. Windows on the slow path are cheap and see nearly all blocks of most leaks, but none of one
//! that trickles in a size class that others churn: those pay the leaker's misses. Short windows on all blocks are dear,
//! and see every site in proportion to its rate.

use std::time::Duration;

use memwatch_common::native::GAP_SHIFT;

use super::sites::Seen;
use crate::model::Mono;

/// What a trap costs a server, seconds, as long as it has not been measured: 1 to 3 µs of CPU were seen, of which half a
/// microsecond is the trap itself.
pub(crate) const TRAP_S: f64 = 3e-6;
/// How much more a trap costs than one in a row of them, which finds the kernel's code and its own data in the caches: a
/// server was charged 2.0 to 3.8 µs a trap where a loop paid 0.62 (measured).
const COLD: f64 = 4.0;
/// Gaps between traps of which the shortest tenth is nothing but traps.
const LEAST_GAPS: u64 = 1000;
/// The longest window on the slow path.
const LONGEST_MISS: Duration = Duration::from_millis(200);
/// The longest window on all blocks: the target is slowed down while it lasts.
const LONGEST_ALL: Duration = Duration::from_millis(100);
/// A window lasts at least this share of the time that its probes take to go: the target pays for that in any case.
const OF_LEAVING: u32 = 8;
/// The shortest window of either kind.
const SHORTEST: Duration = Duration::from_millis(5);
/// What a window may take of the time until the next one, so that there are some in a minute.
const EVERY_S: f64 = 2.0;
/// A window is ended when it has cost so many times what it may take: by then the target does more than it did before.
const MOST_OF_USUAL: f64 = 1.5;
/// Fewer traps than this end no window, or there would be nothing to learn from it.
const LEAST_TRAPS: u64 = 500;
/// Each window stops the target for a moment while its instructions are exchanged.
const SHORTEST_GAP: Duration = Duration::from_millis(600);
/// When it is tried again after a window that could not be opened.
const AFTER_FAILURE: Duration = Duration::from_secs(60);
/// Of the budget, if others use it up: without a window now and then nothing would be known at all.
const LEAST_SHARE: f64 = 0.25;
/// Also with the smallest budget there is a window now and then.
const LONGEST_GAP: Duration = Duration::from_secs(3600);

/// What may be spent, and what was.
#[derive(Clone, Debug)]
pub(crate) struct Governor {
    /// Share of one CPU that all probes of ours may cost.
    whole: f64,
    /// What is left of it for these.
    budget: f64,
    misses: Pace,
    all: Pace,
    began: Option<Mono>,
    /// By kind of window.
    spent_s: [f64; 2],
    armed_s: [f64; 2],
    traps: u64,
    /// What a trap costs in a row of them, seconds.
    burst_s: f64,
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    /// When the last window ended.
    last: Mono,
    next: Option<Mono>,
    length: Duration,
}

/// A window to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    /// What it sees.
    pub seen: Seen,
    /// For how long.
    pub length: Duration,
    /// It ends early once it has had so many traps: a server that was idle may be busy by now.
    pub most_traps: u64,
}

/// What was spent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spent {
    /// Traps a second, on average.
    pub traps_per_s: f64,
    /// Percent of one CPU.
    pub cost_pct: f64,
    /// CPU seconds.
    pub cost_s: f64,
    /// Share of the time in which blocks of the slow path were seen.
    pub misses: f64,
    /// Share of the time in which all blocks were seen.
    pub all: f64,
}

impl Governor {
    /// With a budget in percent of one CPU; without windows on all blocks if `only_misses`.
    #[must_use]
    pub(crate) fn new(budget_pct: f64, has_misses: bool) -> Self {
        let pace = |is_used: bool| Pace { last: Mono(0), next: is_used.then_some(Mono(0)), length: SHORTEST };
        Self {
            whole: budget_pct / 100.0,
            budget: budget_pct / 100.0,
            misses: pace(has_misses),
            all: pace(true),
            began: None,
            spent_s: [0.0; 2],
            armed_s: [0.0; 2],
            traps: 0,
            burst_s: TRAP_S / COLD,
        }
    }

    /// What the process pays for other probes of ours, percent of one CPU: the budget is for the sum, of which at least a
    /// quarter stays.
    pub(crate) fn leave_for_others(&mut self, others_pct: f64) {
        self.budget = (self.whole - others_pct / 100.0).clamp(self.whole * LEAST_SHARE, self.whole);
    }

    /// The window that is due, if one is.
    pub(crate) fn due(&mut self, now: Mono) -> Option<Opening> {
        self.began.get_or_insert(now);
        let kinds = [(Seen::All, self.all), (Seen::Misses, self.misses)];
        let due = kinds.into_iter().filter(|(_, pace)| pace.next.is_some_and(|next| next <= now));
        let (seen, pace) = due.min_by_key(|(_, pace)| pace.last)?;
        let most_traps = whole(MOST_OF_USUAL * self.share(now, seen) * EVERY_S / self.trap_s());
        Some(Opening { seen, length: pace.length, most_traps: most_traps.max(LEAST_TRAPS) })
    }

    /// When the next window is due.
    #[must_use]
    pub(crate) fn next(&self) -> Option<Mono> {
        [self.misses.next, self.all.next].into_iter().flatten().min()
    }

    /// A window has ended that had so many traps: when the next one comes, and how long it is.
    pub(crate) fn account(&mut self, now: Mono, seen: Seen, armed: Duration, traps: u64) {
        let cost_s = traps as f64 * self.trap_s();
        let armed_s = armed.as_secs_f64().max(1e-3);
        self.spent_s[seen as usize] += cost_s;
        self.traps += traps;
        self.armed_s[seen as usize] += armed_s;
        let share = self.share(now, seen);
        let usual_cost = (self.spent_s[seen as usize] / self.armed_s[seen as usize]).max(cost_s / armed_s);
        let pace = self.pace(seen);
        let gap = Duration::from_secs_f64((cost_s / share).min(LONGEST_GAP.as_secs_f64())).max(SHORTEST_GAP);
        pace.last = now;
        pace.next = Some(now.later(gap));
        let affordable_s = share * EVERY_S / usual_cost.max(1e-6);
        pace.length = Duration::from_secs_f64(affordable_s.min(1.0)).clamp(SHORTEST, longest(seen));
        // Probes of the last window are still on their way out.
        for other in [&mut self.misses, &mut self.all] {
            other.next = other.next.map(|next| next.max(now.later(SHORTEST_GAP)));
        }
    }

    /// Each kind has half of the budget, and windows on all blocks have what the others leave of theirs.
    fn share(&self, now: Mono, seen: Seen) -> f64 {
        let seconds = self.began.map_or(0.0, |began| now.since(began).as_secs_f64());
        let others = match seen {
            Seen::All if seconds > 0.0 => self.spent_s[Seen::Misses as usize] / seconds,
            _ => f64::INFINITY,
        };
        self.budget - others.min(self.budget / 2.0)
    }

    /// The probes of the last window took so long to go. The kernel lets go of the program first and of the breakpoint
    /// later; of a perf event's after a grace period (0.35 to 1.2 s from first to last, measured). Until then the target
    /// traps as often, unseen.
    pub(crate) fn left(&mut self, now: Mono, seen: Seen, took: Duration, traps_per_s: f64) {
        let cost_s = traps_per_s * took.as_secs_f64() * self.trap_s();
        self.spent_s[seen as usize] += cost_s;
        let gap = cost_s / self.share(now, seen);
        let pace = self.pace(seen);
        let gap = Duration::from_secs_f64(gap.min(LONGEST_GAP.as_secs_f64()));
        pace.next = pace.next.map(|next| next.later(gap).min(now.later(LONGEST_GAP)));
        pace.length = pace.length.max(took / OF_LEAVING).min(longest(seen));
    }

    /// A window could not be opened: the next one will hardly be, either.
    pub(crate) fn failed(&mut self, now: Mono, seen: Seen) {
        self.pace(seen).next = Some(now.later(AFTER_FAILURE));
    }

    fn pace(&mut self, seen: Seen) -> &mut Pace {
        match seen {
            Seen::Misses => &mut self.misses,
            Seen::All => &mut self.all,
        }
    }

    /// What a trap costs this target, seconds.
    #[must_use]
    pub(crate) fn trap_s(&self) -> f64 {
        self.burst_s * COLD
    }

    /// What it costs in a row of them.
    #[must_use]
    pub(crate) fn burst_s(&self) -> f64 {
        self.burst_s
    }

    /// Takes in how long it was from one trap to the next.
    pub(crate) fn measured(&mut self, gaps: &[u64]) {
        self.burst_s = burst_s(gaps).unwrap_or(self.burst_s);
    }

    /// What was spent since the first window was due.
    #[must_use]
    pub(crate) fn spent(&self, now: Mono) -> Spent {
        let seconds = self.began.map_or(0.0, |began| now.since(began).as_secs_f64());
        if seconds <= 0.0 {
            return Spent::default();
        }
        let cost_s = self.spent_s.iter().sum();
        Spent {
            traps_per_s: self.traps as f64 / seconds,
            cost_pct: 100.0 * cost_s / seconds,
            cost_s,
            misses: self.armed_s[Seen::Misses as usize] / seconds,
            all: self.armed_s[Seen::All as usize] / seconds,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates; a number of traps is never negative"
)]
fn whole(traps: f64) -> u64 {
    traps as u64
}

fn longest(seen: Seen) -> Duration {
    match seen {
        Seen::Misses => LONGEST_MISS,
        Seen::All => LONGEST_ALL,
    }
}

/// The tenth percentile of the gaps between traps, counted in steps of 128 ns: where a thread allocates in a burst there is
/// little between two traps but the trap. `None` if there were too few, or no bursts.
fn burst_s(gaps: &[u64]) -> Option<f64> {
    let total: u64 = gaps.iter().sum();
    let mut below = 0;
    let step = gaps.iter().position(|count| {
        below += count;
        below * 10 >= total
    })?;
    let is_known = total >= LEAST_GAPS && step + 1 < gaps.len();
    is_known.then(|| ((step + 1) << GAP_SHIFT) as f64 * 1e-9)
}

/// What a trap costs the target, seconds, by the gaps between its traps.
#[must_use]
pub(crate) fn trap_s(gaps: &[u64]) -> f64 {
    burst_s(gaps).map_or(TRAP_S, |burst| burst * COLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten minutes of windows over a target with so many traps a second in each kind.
    fn run(budget_pct: f64, miss_rate: u64, all_rate: u64) -> (Spent, [u32; 2]) {
        run_beside(0.0, budget_pct, miss_rate, all_rate)
    }

    /// The same where other probes cost the target so much.
    fn run_beside(others_pct: f64, budget_pct: f64, miss_rate: u64, all_rate: u64) -> (Spent, [u32; 2]) {
        let mut governor = Governor::new(budget_pct, true);
        governor.leave_for_others(others_pct);
        let (mut now, mut windows) = (Mono(0), [0; 2]);
        while now.seconds() < 600.0 {
            if let Some(opening) = governor.due(now) {
                let (seen, rate) =
                    (opening.seen, if opening.seen == Seen::All { all_rate } else { miss_rate });
                now = met(&mut governor, now, opening, rate);
                windows[seen as usize] += 1;
            } else {
                now = now.later(Duration::from_millis(10));
            }
        }
        (governor.spent(now), windows)
    }

    /// A window over a target with so many traps a second; returns when it ended.
    fn met(governor: &mut Governor, now: Mono, opening: Opening, rate: u64) -> Mono {
        let longest = Duration::from_nanos(opening.most_traps * 1_000_000_000 / rate);
        let length = opening.length.min(longest);
        let traps = rate * u64::try_from(length.as_micros()).unwrap() / 1_000_000;
        governor.account(now.later(length), opening.seen, length, traps);
        now.later(length)
    }

    #[test]
    fn the_budget_is_kept_and_used() {
        for (budget, misses, all, least) in
            [(1.0, 40_000, 300_000, 0.6), (1.0, 3000, 100_000, 0.4), (0.1, 40_000, 300_000, 0.05)]
        {
            let (spent, windows) = run(budget, misses, all);
            assert!(spent.cost_pct <= budget * 1.05, "{spent:?}");
            assert!(spent.cost_pct >= least, "{spent:?}");
            assert!(windows.iter().all(|count| *count >= 9), "{windows:?}");
        }
    }

    #[test]
    fn the_budget_holds_for_the_sum_of_all_probes() {
        for (others, most) in [(0.0, 1.0), (0.5, 0.5), (0.75, 0.25), (3.0, 0.25)] {
            let (spent, windows) = run_beside(others, 1.0, 40_000, 300_000);
            assert!(spent.cost_pct <= most * 1.05, "{others}: {spent:?}");
            assert!(windows.iter().all(|count| *count > 0), "{others}: {windows:?}");
        }
    }

    #[test]
    fn a_window_on_a_server_that_wakes_up_costs_no_more_than_it_may() {
        let mut governor = Governor::new(1.0, true);
        let mut now = Mono(0);
        // A minute of idling, in which windows get longer.
        while now.seconds() < 60.0 {
            now = match governor.due(now) {
                Some(opening) => met(&mut governor, now, opening, 10),
                None => now.later(Duration::from_millis(10)),
            };
        }
        let opening = governor.due(now.later(SHORTEST_GAP)).unwrap();
        assert!(opening.length >= LONGEST_ALL, "{opening:?}");
        let before = governor.spent_s.iter().sum::<f64>();
        met(&mut governor, now, opening, 400_000);
        let cost_s = governor.spent_s.iter().sum::<f64>() - before;
        assert!(cost_s <= 0.01 * EVERY_S * MOST_OF_USUAL, "{cost_s} s");
        let pace = governor.pace(opening.seen);
        assert!(pace.length < LONGEST_ALL / 2, "{pace:?}");
    }

    #[test]
    fn probes_that_are_slow_to_go_are_paid_for() {
        let mut governor = Governor::new(1.0, true);
        let second = |number: u64| Mono(number * 1_000_000_000);
        governor.due(second(0));
        governor.account(second(100), Seen::All, Duration::from_millis(20), 8000);
        governor.left(second(101), Seen::All, Duration::from_millis(800), 400_000.0);
        assert!((governor.spent(second(101)).cost_pct - 100.0 * 328_000.0 * TRAP_S / 101.0).abs() < 0.01);
        let next = governor.all.next.unwrap();
        assert!((next.seconds() - 198.4).abs() < 0.1, "{next:?}");
        assert_eq!(governor.all.length, Duration::from_millis(100));
    }

    #[test]
    fn what_fails_is_not_tried_at_once_again() {
        let mut governor = Governor::new(1.0, true);
        let tries = (0..120_000).filter(|ms| {
            let now = Mono(ms * 1_000_000);
            governor.due(now).is_some_and(|opening| {
                governor.failed(now, opening.seen);
                true
            })
        });
        assert_eq!(tries.count(), 4);
    }

    #[test]
    fn a_trap_costs_what_the_shortest_gaps_between_traps_last() {
        assert_eq!(burst_s(&[0, 0, 0, 0, 200, 500, 900]), Some(640e-9));
        assert_eq!(burst_s(&[1, 2, 3]), None);
        assert_eq!(burst_s(&[0, 0, 5000]), None);
        assert_eq!(burst_s(&[]), None);
    }

    #[test]
    fn a_quiet_target_is_looked_at_as_often_as_probes_can_go() {
        let (spent, [misses, all]) = run(1.0, 10, 100);
        assert!(spent.cost_pct < 0.01, "{spent:?}");
        assert!(misses > 200 && all > 200, "{misses} {all}");
    }
}

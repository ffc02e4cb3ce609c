//! When probes on allocations are live and when they rest, so that no process is charged more than it may be, on average.
//! Pure.

use std::{collections::BTreeMap, time::Duration};

use crate::{engine::cost::Charge, model::Mono};

/// Probes are live for at least as long before what they cost is judged.
const LEAST_LIVE: Duration = Duration::from_secs(5);
/// To take probes away and to put them back costs the kernel some tenths of a second.
const LEAST_REST: Duration = Duration::from_secs(5);
/// What a process allocates changes: it is looked at again after this.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// The pace of the probes on one file.
pub(crate) struct Pace {
    /// Share of one CPU that each process may be charged.
    budget: f64,
    phase: Phase,
    /// What each process had been charged when the probes came.
    before: BTreeMap<u32, Charge>,
}

enum Phase {
    Live { since: Mono },
    Resting { until: Mono },
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Turn {
    /// Nothing.
    Stay,
    /// The probes go.
    Rest(Rest),
    /// They come again.
    Resume,
}

/// Why and for how long probes rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rest {
    /// What they cost the process that they cost most, share of one CPU while they were live.
    pub(crate) cost: f64,
    /// Hits of the probes a second, likewise.
    pub(crate) hits_per_s: f64,
    pub(crate) lasts: Duration,
    /// Share of the time in which they are live, at this cost.
    pub(crate) coverage: f64,
}

impl Pace {
    pub(crate) fn new(budget: f64, now: Mono) -> Self {
        Self { budget, phase: Phase::Live { since: now }, before: BTreeMap::new() }
    }

    /// `charges`: of each process that is served, so far.
    pub(crate) fn turn(&mut self, now: Mono, charges: &BTreeMap<u32, Charge>) -> Turn {
        match self.phase {
            Phase::Resting { until } if now < until => Turn::Stay,
            Phase::Resting { .. } => {
                self.go_live(now, charges);
                Turn::Resume
            }
            Phase::Live { since } if now.since(since) < LEAST_LIVE => Turn::Stay,
            Phase::Live { since } => self.judge(now, now.since(since), charges),
        }
    }

    fn judge(&mut self, now: Mono, live: Duration, charges: &BTreeMap<u32, Charge>) -> Turn {
        let since =
            |(pid, charge): (&u32, &Charge)| charge.since(self.before.get(pid).copied().unwrap_or_default());
        let most = charges.iter().map(since).max_by(|one, other| one.seconds.total_cmp(&other.seconds));
        let most = most.unwrap_or_default();
        let live_s = live.as_secs_f64();
        let due_s = most.seconds / self.budget - live_s;
        if due_s <= 0.0 {
            self.go_live(now, charges);
            return Turn::Stay;
        }
        let lasts = Duration::from_secs_f64(due_s.min(LONGEST_REST.as_secs_f64())).max(LEAST_REST);
        self.phase = Phase::Resting { until: now.later(lasts) };
        Turn::Rest(Rest {
            cost: most.seconds / live_s,
            hits_per_s: most.hits as f64 / live_s,
            lasts,
            coverage: live_s / (live_s + lasts.as_secs_f64()),
        })
    }

    fn go_live(&mut self, now: Mono, charges: &BTreeMap<u32, Charge>) {
        self.phase = Phase::Live { since: now };
        self.before.clone_from(charges);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Mono {
        Mono::default().later(Duration::from_secs_f64(seconds))
    }

    /// Runs the pace for an hour beside processes that cost `costs` shares of a CPU while probes are live. Returns what
    /// the last of them was charged on average, and how often the probes rested.
    fn hour(costs: &[f64]) -> (f64, usize) {
        let mut pace = Pace::new(0.01, at(0.0));
        let (mut spent, mut rests, mut is_live) = (BTreeMap::new(), 0, true);
        for second in 1..=3600 {
            for (pid, cost) in (1..).zip(costs) {
                spent.entry(pid).or_insert(Charge::default()).seconds += if is_live { *cost } else { 0.0 };
            }
            match pace.turn(at(f64::from(second)), &spent) {
                Turn::Stay => {}
                Turn::Rest(rest) => (is_live, rests) = (false, rests + usize::from(rest.coverage < 1.0)),
                Turn::Resume => is_live = true,
            }
        }
        (spent.values().last().map_or(0.0, |charge| charge.seconds) / 3600.0, rests)
    }

    #[test]
    fn the_dearest_process_is_charged_what_it_may_be() {
        assert_eq!(hour(&[0.0099]).1, 0);
        for costs in [&[0.03][..], &[0.001, 0.05], &[0.3]] {
            let (charged, rests) = hour(costs);
            assert!(
                (0.007..=0.0105).contains(&charged) && rests > 3,
                "{costs:?}: {charged} with {rests} rests"
            );
        }
    }

    #[test]
    fn a_rest_is_as_long_as_its_price() {
        let mut pace = Pace::new(0.01, at(0.0));
        let charged = BTreeMap::from([(1, Charge { hits: 1000, seconds: 0.2 })]);
        assert_eq!(pace.turn(at(4.0), &charged), Turn::Stay);
        let Turn::Rest(rest) = pace.turn(at(5.0), &charged) else { panic!("it goes on") };
        assert_eq!((rest.lasts, rest.cost, rest.hits_per_s), (Duration::from_secs(15), 0.04, 200.0));
        assert!((rest.coverage - 0.25).abs() < 1e-9);
        assert_eq!(pace.turn(at(19.9), &charged), Turn::Stay);
        assert_eq!(pace.turn(at(20.0), &charged), Turn::Resume);
    }
}

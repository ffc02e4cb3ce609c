//! Who was right: counts over outcomes.

use crate::{
    DAY, HOUR,
    cases::{Case, Set},
    run::{Outcome, Said},
    stats::quantile,
    trace::Truth,
};

/// A case, and what became of it.
pub type Judged<'a> = (&'a Case, &'a Outcome);

/// One detector's score over some cases.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// Leaks it alarmed at.
    pub hits: usize,
    /// Leaks there were.
    pub leaks: usize,
    /// Processes it alarmed at without a leak.
    pub false_processes: usize,
    /// Such alarms, in all.
    pub false_alarms: usize,
    /// Days in which there was no leak.
    pub healthy_days: f64,
    /// Of each hit: seconds, mark-compacts and bytes until the alarm.
    pub delays: Vec<[f64; 3]>,
    /// Of each hit: how far off the rate was at the alarm, as a share of the true one.
    pub rate_errors: Vec<f64>,
    /// Of each hit: the same in the end.
    pub last_rate_errors: Vec<f64>,
}

impl Score {
    /// Detector number `detector` over `judged`.
    #[must_use]
    pub fn of(judged: &[Judged<'_>], detector: usize) -> Self {
        let mut score = Self::default();
        for (case, outcome) in judged {
            score.add(case, outcome, &outcome.said[detector]);
        }
        score
    }

    fn add(&mut self, case: &Case, outcome: &Outcome, said: &Said) {
        self.false_alarms += said.false_alarms;
        self.false_processes += usize::from(said.false_alarms > 0);
        let Truth::Leak { rate, from_s } = case.truth else {
            self.healthy_days += outcome.end.at_s / DAY;
            return;
        };
        self.healthy_days += from_s / DAY;
        self.leaks += 1;
        if let Some(seconds) = said.detected_s {
            self.hits += 1;
            self.delays.push([seconds, said.collections as f64, rate / HOUR * seconds]);
            let error = |said: f64| (said / rate - 1.0).abs();
            self.rate_errors.extend(said.rate.map(error));
            self.last_rate_errors.extend(said.last_rate.map(error));
        }
    }

    /// Share of alarmed processes that leak; 1 without alarms.
    #[must_use]
    pub fn precision(&self) -> f64 {
        share(self.hits, self.hits + self.false_processes)
    }

    /// Share of leaks that were alarmed at.
    #[must_use]
    pub fn recall(&self) -> f64 {
        share(self.hits, self.leaks)
    }

    /// False alarms a process-day.
    #[must_use]
    pub fn false_rate(&self) -> f64 {
        self.false_alarms as f64 / self.healthy_days
    }

    /// Quantile of the delays: seconds (0), mark-compacts (1) or bytes (2).
    #[must_use]
    pub fn delay(&self, of: usize, q: f64) -> Option<f64> {
        quantile(&self.delays.iter().map(|delay| delay[of]).collect::<Vec<_>>(), q)
    }
}

/// `part` of `all`; 1 of none.
#[must_use]
pub fn share(part: usize, all: usize) -> f64 {
    if all == 0 { 1.0 } else { part as f64 / all as f64 }
}

/// The cases of `set` among those judged.
#[must_use]
pub fn of_set<'a>(judged: &[Judged<'a>], set: Set) -> Vec<Judged<'a>> {
    judged.iter().filter(|(case, _)| case.set == set).copied().collect()
}

/// Median seconds until ours and until faithful memwatch's alarm, over the leaks that both find.
#[must_use]
pub fn beside(judged: &[Judged<'_>], ours: usize, theirs: usize) -> Option<(f64, f64, usize)> {
    let delays =
        judged.iter().filter_map(|(_, o)| Some((o.said[ours].detected_s?, o.said[theirs].detected_s?)));
    let (ours, theirs): (Vec<f64>, Vec<f64>) = delays.unzip();
    Some((quantile(&ours, 0.5)?, quantile(&theirs, 0.5)?, ours.len()))
}

/// Over runs that died, at each tenth of their life from the first forecast on: forecasts, and those between whose ends
/// the death was.
#[must_use]
pub fn forecasts(judged: &[Judged<'_>]) -> (usize, usize, usize) {
    let (mut runs, mut made, mut right) = (0, 0, 0);
    for (_, outcome) in judged.iter().filter(|(_, o)| o.end.died) {
        runs += 1;
        for tenth in 1..10 {
            let at = outcome.end.at_s * f64::from(tenth) / 10.0;
            let Some((_, earliest, latest)) = outcome.forecasts.iter().rfind(|f| f.0 <= at) else { continue };
            made += 1;
            let death = outcome.end.at_s;
            right += usize::from(*earliest <= death && latest.is_none_or(|latest| death <= latest));
        }
    }
    (runs, made, right)
}

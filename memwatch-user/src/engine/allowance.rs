//! What reading targets thoroughly may cost, all of them together: of a hundred, each cannot have what one may have. Those that
//! have changed most since they were read so, and those that have waited longest, come first.

use std::time::Duration;

use super::scrape::ScrapeJob;
use crate::model::{Mono, ProcessId};

/// CPU seconds a second: about as much as a single target may have (`sample::pace`).
const SHARE: f64 = 0.005;
/// What was not used is kept up to here, CPU seconds; a watch starts with it. It takes 2 to 5 ms to read a small service.
const MOST_S: f64 = 0.5;

/// What is left of it.
pub(super) struct Allowance {
    left_s: f64,
    since: Option<Mono>,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { left_s: MOST_S, since: None }
    }
}

impl Allowance {
    /// Has some of the jobs done thoroughly, as far as what is left goes by what each took the last time.
    pub(super) fn hand_out(&mut self, now: Mono, jobs: &mut [(ProcessId, ScrapeJob)]) {
        self.refill(now);
        let mut jobs: Vec<_> = jobs.iter_mut().map(|(_, job)| job).filter(|job| job.urgency > 0.0).collect();
        jobs.sort_by(|a, b| b.urgency.total_cmp(&a.urgency));
        let mut left_s = self.left_s;
        for job in jobs {
            if left_s <= 0.0 {
                break;
            }
            left_s -= job.details_take.as_secs_f64();
            job.be_thorough();
        }
    }

    /// Something was read thoroughly.
    pub(super) fn spend(&mut self, took: Duration) {
        self.left_s -= took.as_secs_f64();
    }

    fn refill(&mut self, now: Mono) {
        let passed = now.since(self.since.unwrap_or(now));
        self.left_s = (self.left_s + SHARE * passed.as_secs_f64()).min(MOST_S);
        self.since = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn jobs(urgencies: &[f64], details_take: Duration) -> Vec<(ProcessId, ScrapeJob)> {
        let id = ProcessId { pid: 1, start_ticks: 2 };
        urgencies.iter().map(|urgency| (id, ScrapeJob::of_us(*urgency, details_take))).collect()
    }

    fn thorough(jobs: &[(ProcessId, ScrapeJob)]) -> Vec<bool> {
        jobs.iter().map(|(_, job)| job.is_thorough()).collect()
    }

    #[test]
    fn the_most_urgent_first_and_only_as_many_as_there_is_room_for() {
        let mut jobs = jobs(&[1.0, 30.0, 0.0, 20.0], Duration::from_millis(250));
        Allowance::default().hand_out(Mono(0), &mut jobs);
        assert_eq!(thorough(&jobs), [false, true, false, true]);
        jobs.drain(..2);
        Allowance::default().hand_out(Mono(0), &mut jobs);
        assert_eq!(thorough(&jobs), [false, true], "where nothing is to be found, nobody looks");
    }

    #[test]
    fn what_was_spent_comes_back_with_time() {
        let mut allowance = Allowance::default();
        allowance.hand_out(Mono(0), &mut []);
        allowance.spend(Duration::from_millis(505));
        for (second, expected) in [(1, false), (2, true), (1000, true)] {
            let mut jobs = jobs(&[1.0], Duration::from_millis(1));
            allowance.hand_out(Mono(second * SECOND), &mut jobs);
            assert_eq!(thorough(&jobs), [expected], "after {second} s");
        }
        assert!((allowance.left_s - MOST_S).abs() < 1e-9, "no more than that is kept");
    }
}

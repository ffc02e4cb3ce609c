//! The exit status: what the last verdicts say, as a number that scripts can branch on.

use std::collections::BTreeMap;

use super::record::{Body, Kind, Level, Record, Subject};

/// Whether the job could be done at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// We were attached to at least one target; whatever became of it later is no failure.
    Done,
    /// It failed before the last probe was live.
    Failed,
}

/// 1 if any last verdict is `leak`; else 2 if the job failed; else 3 if any is `inconclusive`; else 0.
pub fn exit_status(last: impl IntoIterator<Item = Level>, job: Job) -> u8 {
    let worst = last.into_iter().fold(Worst::default(), Worst::with);
    match (worst, job) {
        (Worst { leak: true, .. }, _) => 1,
        (_, Job::Failed) => 2,
        (Worst { inconclusive: true, .. }, _) => 3,
        _ => 0,
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Worst {
    leak: bool,
    inconclusive: bool,
}

impl Worst {
    const fn with(self, level: Level) -> Self {
        Self {
            leak: self.leak || matches!(level, Level::Leak),
            inconclusive: self.inconclusive || matches!(level, Level::Inconclusive),
        }
    }
}

type Verdicts = BTreeMap<(Option<u32>, Kind), Level>;

/// The last verdict of each (process, isolate, kind): what the exit status is made of.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// By pid, so that it stays bounded on a host where processes come and go for months: pids are reused, and the
    /// process that had one before is folded into `earlier`.
    by_pid: BTreeMap<u32, (Subject, Verdicts)>,
    earlier: Worst,
}

impl Outcome {
    /// Takes the next record.
    pub fn record(&mut self, record: &Record) {
        let Some(subject) = record.subject else { return };
        match &record.body {
            Body::Hello(_) => _ = self.verdicts(subject),
            Body::Verdict(verdict) => {
                self.verdicts(subject).insert((verdict.isolate, verdict.kind), verdict.verdict);
            }
            _ => {}
        }
    }

    fn verdicts(&mut self, subject: Subject) -> &mut Verdicts {
        let (owner, verdicts) = self.by_pid.entry(subject.pid).or_insert_with(|| (subject, Verdicts::new()));
        if *owner != subject {
            self.earlier = levels(verdicts).fold(self.earlier, Worst::with);
            *owner = subject;
            verdicts.clear();
        }
        verdicts
    }

    /// The exit status so far. A target without any verdict counts as `inconclusive`: 0 would be a claim.
    #[must_use]
    pub fn exit_status(&self, job: Job) -> u8 {
        let earlier = [
            self.earlier.leak.then_some(Level::Leak),
            self.earlier.inconclusive.then_some(Level::Inconclusive),
        ];
        let current = self.by_pid.values().flat_map(|(_, verdicts)| levels(verdicts));
        exit_status(earlier.into_iter().flatten().chain(current), job)
    }
}

fn levels(verdicts: &Verdicts) -> impl Iterator<Item = Level> {
    let silent = verdicts.is_empty().then_some(Level::Inconclusive);
    verdicts.values().copied().chain(silent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        record::{SCHEMA, Verdict},
        time::Time,
    };
    use Level::{Growing, Inconclusive, Leak, Stable, Suspect};

    #[test]
    fn status_of_the_last_levels() {
        for (levels, job, expected) in [
            (&[Stable, Leak, Inconclusive][..], Job::Done, 1),
            (&[Leak], Job::Failed, 1),
            (&[Stable, Inconclusive], Job::Failed, 2),
            (&[], Job::Failed, 2),
            (&[Stable, Inconclusive, Suspect], Job::Done, 3),
            (&[Stable, Growing, Suspect], Job::Done, 0),
            (&[], Job::Done, 0),
        ] {
            assert_eq!(exit_status(levels.iter().copied(), job), expected, "{levels:?} {job:?}");
        }
    }

    /// (pid, start, isolate and level; None for the hello).
    type Step = (u32, i64, Option<(u32, Level)>);

    fn status(steps: &[Step]) -> u8 {
        let mut outcome = Outcome::default();
        for &(pid, start, said) in steps {
            let body = said.map_or_else(|| Body::Hello(Box::default()), verdict);
            let subject = Some(Subject { pid, start_time: Time::from_unix_ms(start) });
            outcome.record(&Record { schema: SCHEMA, ts: Time::default(), subject, body });
        }
        outcome.exit_status(Job::Done)
    }

    fn verdict((isolate, verdict): (u32, Level)) -> Body {
        Body::Verdict(Box::new(Verdict {
            isolate: Some(isolate),
            verdict,
            kind: Kind::JsHeap,
            rate_bytes_per_hour: None,
            rate_interval: None,
            since: Time::default(),
            confidence: None,
            time_to_exhaustion_s: None,
            exhausts: None,
            evidence: Vec::new(),
            sites: Vec::new(),
        }))
    }

    #[test]
    fn only_the_last_verdict_of_each_counts() {
        let cases: &[(&[Step], u8)] = &[
            (&[(1, 0, None), (1, 0, Some((1, Leak))), (1, 0, Some((1, Stable)))], 0),
            (&[(1, 0, Some((1, Leak))), (1, 0, Some((2, Stable)))], 1),
            (&[(1, 0, Some((1, Stable))), (2, 0, None)], 3),
            (&[], 0),
            // The same pid, another process: what the first one was called stays.
            (&[(1, 0, Some((1, Leak))), (1, 9, None), (1, 9, Some((1, Stable)))], 1),
            (&[(1, 0, None), (1, 9, Some((1, Stable)))], 3),
        ];
        for (steps, expected) in cases {
            assert_eq!(status(steps), *expected, "{steps:?}");
        }
    }
}

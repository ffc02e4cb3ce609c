//! The exit status: what the last verdicts say, as a number that scripts can branch on.

use std::collections::BTreeMap;

use super::record::{Body, IsolateState, Kind, Level, Record, Subject};

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

/// The last verdicts of one process.
#[derive(Clone, Debug, Default)]
struct Verdicts {
    of: BTreeMap<(Option<u32>, Kind), Level>,
    /// Verdicts of isolates that are gone are not kept: a server can start a worker for every request.
    gone: Gone,
}

/// What the isolates that are gone were called at last.
#[derive(Clone, Copy, Debug, Default)]
struct Gone {
    leak: bool,
    /// Any level but `inconclusive`.
    conclusive: bool,
}

impl Verdicts {
    fn isolate_gone(&mut self, isolate: u32) {
        self.of.retain(|&(of, _), level| {
            let stays = of != Some(isolate);
            self.gone.leak |= !stays && *level == Level::Leak;
            self.gone.conclusive |= !stays && *level != Level::Inconclusive;
            stays
        });
    }

    /// Those of now, `leak` if an isolate that is gone was called so, and `inconclusive` if nothing was ever concluded:
    /// a worker that lived too short to be judged says nothing of its process.
    fn levels(&self) -> impl Iterator<Item = Level> {
        let silent = self.of.is_empty() && !self.gone.conclusive;
        let before = [self.gone.leak.then_some(Level::Leak), silent.then_some(Level::Inconclusive)];
        self.of.values().copied().chain(before.into_iter().flatten())
    }
}

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
                self.verdicts(subject).of.insert((verdict.isolate, verdict.kind), verdict.verdict);
            }
            // Its last verdict comes right before.
            Body::Isolate(isolate) if isolate.state == IsolateState::Gone => {
                self.verdicts(subject).isolate_gone(isolate.isolate);
            }
            _ => {}
        }
    }

    fn verdicts(&mut self, subject: Subject) -> &mut Verdicts {
        let (owner, verdicts) =
            self.by_pid.entry(subject.pid).or_insert_with(|| (subject, Verdicts::default()));
        if *owner != subject {
            self.earlier = verdicts.levels().fold(self.earlier, Worst::with);
            *owner = subject;
            *verdicts = Verdicts::default();
        }
        verdicts
    }

    /// The exit status so far. A target without any verdict counts as `inconclusive`: 0 would be a claim. Of an isolate
    /// that is gone only `leak` counts, and `inconclusive` if its process has no other verdict.
    #[must_use]
    pub fn exit_status(&self, job: Job) -> u8 {
        let earlier = [
            self.earlier.leak.then_some(Level::Leak),
            self.earlier.inconclusive.then_some(Level::Inconclusive),
        ];
        let current = self.by_pid.values().flat_map(|(_, verdicts)| verdicts.levels());
        exit_status(earlier.into_iter().flatten().chain(current), job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        record::{Hello, Isolate, SCHEMA, Unit, Verdict},
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

    #[derive(Clone, Copy, Debug)]
    enum Said {
        Hello,
        Verdict(u32, Level),
        Gone(u32),
    }
    use Said::Gone;

    /// (pid, start, what).
    type Step = (u32, i64, Said);

    fn outcome(steps: &[Step]) -> Outcome {
        let mut outcome = Outcome::default();
        for &(pid, start, said) in steps {
            let body = match said {
                Said::Hello => Body::Hello(Box::<Hello>::default()),
                Said::Verdict(isolate, level) => verdict(isolate, level),
                Gone(isolate) => gone(isolate),
            };
            let subject = Some(Subject { pid, start_time: Time::from_unix_ms(start) });
            outcome.record(&Record { schema: SCHEMA, ts: Time::default(), subject, body });
        }
        outcome
    }

    fn gone(isolate: u32) -> Body {
        Body::Isolate(Isolate {
            isolate,
            state: IsolateState::Gone,
            thread: 9,
            worker: true,
            heap_limit: None,
        })
    }

    fn verdict(isolate: u32, verdict: Level) -> Body {
        Body::Verdict(Box::new(Verdict {
            isolate: Some(isolate),
            verdict,
            kind: Kind::JsHeap,
            rate_bytes_per_hour: None,
            rate_per_hour: None,
            rate_unit: Unit::Bytes,
            rate_interval: None,
            since: Time::default(),
            confidence: None,
            time_to_exhaustion_s: None,
            exhausts: None,
            evidence: Vec::new(),
            reasons: Vec::new(),
            sites: Vec::new(),
            holders: Vec::new(),
        }))
    }

    #[test]
    fn only_the_last_verdict_of_each_counts() {
        let said = Said::Verdict;
        let cases: &[(&[Step], u8)] = &[
            (&[(1, 0, Said::Hello), (1, 0, said(1, Leak)), (1, 0, said(1, Stable))], 0),
            (&[(1, 0, said(1, Leak)), (1, 0, said(2, Stable))], 1),
            (&[(1, 0, said(1, Stable)), (2, 0, Said::Hello)], 3),
            (&[], 0),
            // The same pid, another process: what the first one was called stays.
            (&[(1, 0, said(1, Leak)), (1, 9, Said::Hello), (1, 9, said(1, Stable))], 1),
            (&[(1, 0, Said::Hello), (1, 9, said(1, Stable))], 3),
        ];
        for (steps, expected) in cases {
            assert_eq!(outcome(steps).exit_status(Job::Done), *expected, "{steps:?}");
        }
    }

    #[test]
    fn an_isolate_that_is_gone_counts_if_it_leaked_or_if_there_is_nothing_else() {
        let said = Said::Verdict;
        let cases: &[(&[Said], u8)] = &[
            (&[said(1, Stable), said(2, Inconclusive)], 3),
            (&[said(1, Stable), said(2, Inconclusive), Gone(2)], 0),
            (&[said(2, Inconclusive), Gone(2), said(1, Stable), Gone(1)], 0),
            (&[said(1, Inconclusive), Gone(1)], 3),
            (&[said(1, Inconclusive), said(2, Stable), Gone(2)], 3),
            (&[said(1, Stable), said(2, Leak), Gone(2)], 1),
            (&[said(1, Stable), Gone(1)], 0),
            (&[Gone(2)], 3),
        ];
        for (said, expected) in cases {
            let steps: Vec<Step> = said.iter().map(|said| (1, 0, *said)).collect();
            assert_eq!(outcome(&steps).exit_status(Job::Done), *expected, "{said:?}");
        }
        let leaked = outcome(&[(1, 0, said(1, Leak)), (1, 0, Gone(1)), (1, 9, said(1, Stable))]);
        assert_eq!(leaked.exit_status(Job::Done), 1, "the next process with the pid does not clear it");
    }

    #[test]
    fn a_worker_for_every_request_does_not_fill_the_memory() {
        let steps =
            (0..1000).flat_map(|worker| [(1, 0, Said::Verdict(worker, Stable)), (1, 0, Gone(worker))]);
        let outcome = outcome(&steps.collect::<Vec<_>>());
        assert!(outcome.by_pid[&1].1.of.is_empty());
    }
}

//! The last verdict on each kind of memory of each target.

use std::collections::BTreeMap;

use crate::report::record::{Body, IsolateState, Kind, Level, Record, Subject, Verdict};

/// What a verdict is about.
type About = (Option<Subject>, Option<u32>, Kind);

/// The last verdicts so far.
#[derive(Debug, Default)]
pub(super) struct LastVerdicts {
    of: BTreeMap<About, Verdict>,
    /// The worst on isolates that are gone. The others are not kept: a server can start a worker for every
    /// request.
    gone: Option<Verdict>,
}

impl LastVerdicts {
    /// Takes in the next record.
    pub(super) fn record(&mut self, record: &Record) {
        match &record.body {
            Body::Verdict(verdict) => self.add(record.subject, verdict),
            Body::Isolate(isolate) if isolate.state == IsolateState::Gone => {
                self.gone(record.subject, Some(isolate.isolate));
            }
            _ => {}
        }
    }

    fn add(&mut self, subject: Option<Subject>, verdict: &Verdict) {
        self.of.insert((subject, verdict.isolate, verdict.kind), verdict.clone());
    }

    /// An isolate of a process is gone.
    fn gone(&mut self, subject: Option<Subject>, isolate: Option<u32>) {
        let is_gone = |about: &About| (about.0, about.1) == (subject, isolate);
        let gone = self.of.iter().filter(|(about, _)| is_gone(about)).map(|(_, verdict)| verdict);
        self.gone = gone.chain(&self.gone).max_by_key(|verdict| badness(verdict)).cloned();
        self.of.retain(|about, _| !is_gone(about));
    }

    /// Whether anyone's last verdict is `leak`.
    pub(super) fn has_leak(&self) -> bool {
        self.of.values().chain(&self.gone).any(|verdict| verdict.verdict == Level::Leak)
    }

    /// The worst of them; of several the one on the heap.
    pub(super) fn into_worst(self) -> Option<Verdict> {
        self.of.into_values().chain(self.gone).max_by_key(badness)
    }
}

fn badness(verdict: &Verdict) -> (Level, bool) {
    (verdict.verdict, verdict.kind == Kind::JsHeap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{record::Unit, time::Time};

    fn verdict(kind: Kind, verdict: Level) -> Verdict {
        Verdict {
            isolate: (kind == Kind::JsHeap).then_some(1),
            verdict,
            kind,
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
        }
    }

    #[test]
    fn a_leak_counts_whatever_is_said_of_other_kinds_after_it() {
        let subject = Some(Subject { pid: 7, start_time: Time::default() });
        let mut last = LastVerdicts::default();
        last.add(subject, &verdict(Kind::JsHeap, Level::Leak));
        last.add(subject, &verdict(Kind::Fragmentation, Level::Growing));
        last.add(subject, &verdict(Kind::Load, Level::Growing));
        assert!(last.has_leak());
        last.add(subject, &verdict(Kind::JsHeap, Level::Stable));
        assert!(!last.has_leak());
        assert_eq!(last.into_worst().map(|worst| worst.verdict), Some(Level::Growing));
    }

    #[test]
    fn of_those_that_are_gone_the_worst_is_kept() {
        let subject = Some(Subject { pid: 7, start_time: Time::default() });
        let mut last = LastVerdicts::default();
        for level in [Level::Stable, Level::Leak, Level::Inconclusive] {
            last.add(subject, &verdict(Kind::JsHeap, level));
            last.gone(subject, Some(1));
        }
        assert!(last.of.is_empty() && last.has_leak());
        last.add(subject, &verdict(Kind::Native, Level::Suspect));
        assert_eq!(last.into_worst().map(|worst| worst.verdict), Some(Level::Leak));
    }
}

//! Shows every case to every detector and notes what each said, and when.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use memwatch_user::model::{Collection, GcKind};

use crate::{
    cases::Case,
    detectors::{Detector, Kind, OURS},
    sim::{self, End},
    trace::Truth,
};

/// What one detector said about one process.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Alarms before there was a leak: all, for a healthy process.
    pub false_alarms: usize,
    /// Seconds between the leak's beginning (or the attach) and the first alarm after it.
    pub detected_s: Option<f64>,
    /// Mark-compacts in that time.
    pub collections: usize,
    /// Bytes an hour that it said at that alarm.
    pub rate: Option<f64>,
    /// Bytes an hour that it said in the end.
    pub last_rate: Option<f64>,
}

/// A forecast: when it was made, the earliest and the latest end, seconds after the attach.
pub type Forecast = (f64, f64, Option<f64>);

/// What became of one process.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What each detector said, in their order.
    pub said: Vec<Said>,
    /// What ours forecast after each mark-compact.
    pub forecasts: Vec<Forecast>,
}

/// Watches all cases on two threads; outcomes come in the order of the cases.
#[must_use]
pub fn all(cases: &[Case], kinds: &[Kind]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((i, case)) = take(&next, cases) {
                    let outcome = one(case, kinds);
                    if let Ok(mut done) = done.lock() {
                        done.push((i, outcome));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

fn take<'a>(next: &AtomicUsize, cases: &'a [Case]) -> Option<(usize, &'a Case)> {
    let i = next.fetch_add(1, Ordering::Relaxed);
    cases.get(i).map(|case| (i, case))
}

/// Watches one case.
#[must_use]
pub fn one(case: &Case, kinds: &[Kind]) -> Outcome {
    let mut watchers: Vec<Watcher> = kinds.iter().map(|kind| Watcher::new(kind, case)).collect();
    let mut forecasts = Vec::new();
    let end = sim::run(&case.program, case.limit, case.age_s, case.watch_s, case.seed, |c| {
        for watcher in &mut watchers {
            watcher.collection(c, case.truth);
        }
        forecasts.extend(watchers.get(OURS).and_then(|ours| ours.forecast(c)));
    });
    Outcome { end, said: watchers.into_iter().map(Watcher::end).collect(), forecasts }
}

/// A detector at work.
pub(crate) struct Watcher {
    detector: Box<dyn Detector>,
    said: Said,
}

impl Watcher {
    fn new(kind: &Kind, case: &Case) -> Self {
        Self::of(kind, case.limit, case.age_s)
    }

    /// For a process of that limit (bytes) and age (seconds).
    pub(crate) fn of(kind: &Kind, limit: f64, age_s: f64) -> Self {
        Self { detector: (kind.make)(limit, age_s), said: Said::default() }
    }

    pub(crate) fn collection(&mut self, c: &Collection, truth: Truth) {
        let leaks_from = match truth {
            Truth::Leak { from_s, .. } => Some(from_s),
            Truth::Healthy => None,
        };
        let alarm = self.detector.collection(c);
        let leaks = leaks_from.filter(|from| *from <= c.end.seconds());
        let Some(from) = leaks else {
            self.said.false_alarms += usize::from(alarm.is_some());
            return;
        };
        if self.said.detected_s.is_some() {
            return;
        }
        self.said.collections += usize::from(c.kind == GcKind::MarkCompact);
        if let Some(alarm) = alarm {
            self.said.detected_s = Some(alarm.at_s - from);
            self.said.rate = alarm.rate;
        }
    }

    fn forecast(&self, c: &Collection) -> Option<Forecast> {
        let (earliest, latest) = self.detector.forecast().filter(|_| c.kind == GcKind::MarkCompact)?;
        let now = c.end.seconds();
        Some((now, now + earliest, latest.map(|s| now + s)))
    }

    pub(crate) fn end(self) -> Said {
        Said { last_rate: self.detector.rate(), ..self.said }
    }
}

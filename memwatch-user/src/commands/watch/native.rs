//! The native memory of all targets: a tracker each, and what they say as records.

use std::collections::BTreeMap;

use super::{
    losses,
    translate::{self, Stamp},
};
use crate::{
    host::features::Features,
    model::ProcessId,
    native::{Javascript, Mode, Tracker},
    report::record::{Body, Feature, Kind, Loss, Record},
};

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) mode: Mode,
    /// Percent of one CPU.
    pub(super) budget_pct: f64,
    /// What the kernel offers.
    pub(super) features: Features,
}

/// The trackers of all targets.
pub(super) struct Natives {
    asked: Asked,
    trackers: BTreeMap<u32, Tracker>,
}

impl Natives {
    pub(super) fn new(asked: Asked) -> Self {
        Self { asked, trackers: BTreeMap::new() }
    }

    /// Begins to follow a target, if that was asked for; with `javascript` its callers in JavaScript are told. What there is
    /// to say if it cannot be done.
    pub(super) fn start(&mut self, id: ProcessId, javascript: Option<Javascript>) -> Option<Body> {
        let Asked { mode, budget_pct, features } = self.asked;
        match Tracker::start(id, mode, budget_pct, features, javascript) {
            _ if mode == Mode::Off => None,
            Ok(tracker) => {
                self.trackers.insert(id.pid, tracker);
                None
            }
            Err(reason) => {
                let [name, state] = ["native_sites", "off"].map(str::to_owned);
                Some(Body::Feature(Feature { name, state, reason }))
            }
        }
    }

    /// A target is gone, or is to be left alone. Its probes go on their own time.
    pub(super) fn stop(&mut self, pid: u32) {
        self.trackers.remove(&pid);
    }

    /// Takes all probes away; blocks until they are gone.
    pub(super) fn detach(self) {
        let trackers: Vec<Tracker> = self.trackers.into_values().collect();
        Tracker::stop_all(trackers);
    }

    /// What was decided since this was asked last, of the target that `stamp` is of.
    pub(super) fn decisions(&self, stamp: &Stamp) -> Vec<Record> {
        let decisions = self.trackers.get(&stamp.subject.pid).map(Tracker::decisions).unwrap_or_default();
        let record = |decision| {
            let (at, body) = translate::decision(decision, self.asked.budget_pct);
            stamp.record(at, body)
        };
        decisions.into_iter().map(record).collect()
    }

    /// Says of each verdict on native memory who holds it.
    pub(super) fn attribute(&self, pid: u32, records: &mut [Record]) {
        let Some(tracker) = self.trackers.get(&pid) else { return };
        for record in records {
            if let Body::Verdict(verdict) = &mut record.body
                && verdict.kind == Kind::Native
            {
                verdict.sites = tracker.known().holders.into_iter().map(translate::holder).collect();
            }
        }
    }

    /// Adds what was lost to what is lost beside it.
    pub(super) fn add_losses(&self, loss: &mut Loss) {
        for (reason, count) in self.trackers.values().flat_map(|tracker| tracker.known().losses) {
            losses::add(loss, reason, count);
        }
    }

    /// Percent of one CPU that the targets are charged, all together.
    pub(super) fn cost_pct(&self) -> f64 {
        self.trackers.values().map(|tracker| tracker.known().cost_pct).sum()
    }
}

//! The native memory of all targets: a tracker each, and what they say as records.

use std::collections::{BTreeMap, BTreeSet};

use memwatch_common::target::TaskLayout;

use super::{
    losses,
    translate::{self, Stamp},
};
use crate::{
    host::{clock, features::Features},
    model::ProcessId,
    native::{self, Holder, Javascript, Mode, Tracker, direct::Direct},
    report::record::{Body, Feature, Kind, Loss, Record},
};

/// Name of the feature in records.
const MAPPINGS: &str = "native_mappings";

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) mode: Mode,
    /// Percent of one CPU.
    pub(super) budget_pct: f64,
    /// What the kernel offers.
    pub(super) features: Features,
    /// Where it keeps what leads to a thread's isolate.
    pub(super) task: TaskLayout,
}

/// The trackers of all targets.
pub(super) struct Natives {
    asked: Asked,
    trackers: BTreeMap<u32, Tracker>,
    /// What targets map themselves, from the first target on.
    direct: Option<Direct>,
    /// Whose direct mappings are followed as far as we have said.
    promised: BTreeSet<u32>,
}

impl Natives {
    pub(super) fn new(asked: Asked) -> Self {
        Self { asked, trackers: BTreeMap::new(), direct: None, promised: BTreeSet::new() }
    }

    /// Begins to follow a target, if that was asked for. `v8` is the file that holds its V8; with `javascript` its callers in
    /// JavaScript are told. What there is to say if something cannot be done.
    pub(super) fn start(&mut self, id: ProcessId, v8: &str, javascript: Option<Javascript>) -> Vec<Body> {
        let Asked { mode, budget_pct, features, .. } = self.asked;
        let mappings = match mode {
            Mode::Off | Mode::Growth => None,
            Mode::Auto | Mode::Full => self.follow_mappings(id.pid, v8, javascript.clone()).err(),
        };
        let blocks = match Tracker::start(id, mode, budget_pct, features, javascript) {
            _ if mode == Mode::Off => None,
            Ok(tracker) => {
                self.trackers.insert(id.pid, tracker);
                None
            }
            Err(reason) => Some(off("native_sites", reason)),
        };
        blocks.into_iter().chain(mappings.map(|reason| off(MAPPINGS, reason))).collect()
    }

    fn follow_mappings(&mut self, pid: u32, v8: &str, javascript: Option<Javascript>) -> Result<(), String> {
        let direct = match self.direct.take() {
            Some(direct) => direct,
            None => Direct::start(self.asked.features, self.asked.task)?,
        };
        direct.follow(pid, v8, javascript);
        self.direct = Some(direct);
        self.promised.insert(pid);
        Ok(())
    }

    /// A target is gone, or is to be left alone. Its probes go on their own time.
    pub(super) fn stop(&mut self, pid: u32) {
        self.trackers.remove(&pid);
        self.promised.remove(&pid);
        if let Some(direct) = &self.direct {
            direct.leave(pid);
        }
    }

    /// Takes all probes away; blocks until they are gone.
    pub(super) fn detach(self) {
        let trackers: Vec<Tracker> = self.trackers.into_values().collect();
        Tracker::stop_all(trackers);
        if let Some(direct) = self.direct {
            direct.stop();
        }
    }

    /// What was decided, and what turned out to be impossible, since this was asked last, of the target that `stamp` is of.
    pub(super) fn decisions(&mut self, stamp: &Stamp) -> Vec<Record> {
        let pid = stamp.subject.pid;
        let decisions = self.trackers.get(&pid).map(Tracker::decisions).unwrap_or_default();
        let record = |decision| {
            let (at, body) = translate::decision(decision, self.asked.budget_pct);
            stamp.record(at, body)
        };
        let mut records: Vec<Record> = decisions.into_iter().map(record).collect();
        if let Some(reason) = self.direct.as_ref().and_then(|direct| direct.refusal(pid))
            && self.promised.remove(&pid)
        {
            records.push(stamp.record(clock::now(), off(MAPPINGS, reason)));
        }
        records
    }

    /// Says of each verdict on native memory who holds it.
    pub(super) fn attribute(&self, pid: u32, records: &mut [Record]) {
        for record in records {
            if let Body::Verdict(verdict) = &mut record.body
                && verdict.kind == Kind::Native
            {
                verdict.sites = self.holders(pid).into_iter().map(translate::holder).collect();
            }
        }
    }

    fn holders(&self, pid: u32) -> Vec<Holder> {
        let blocks = self.trackers.get(&pid).map(|tracker| tracker.known().holders);
        let mapped = self.direct.as_ref().map(|direct| direct.holders(pid));
        native::together(blocks.unwrap_or_default(), mapped.unwrap_or_default())
    }

    /// Adds what was lost to what is lost beside it.
    pub(super) fn add_losses(&self, loss: &mut Loss) {
        let blocks = self.trackers.values().flat_map(|tracker| tracker.known().losses);
        let mappings = self.direct.iter().flat_map(Direct::losses);
        for (reason, count) in blocks.chain(mappings) {
            losses::add(loss, reason, count);
        }
    }

    /// Percent of one CPU that the targets are charged, all together.
    pub(super) fn cost_pct(&self) -> f64 {
        let blocks: f64 = self.trackers.values().map(|tracker| tracker.known().cost_pct).sum();
        blocks + self.direct.as_ref().map_or(0.0, Direct::cost_pct)
    }
}

fn off(name: &str, reason: String) -> Body {
    let [name, state] = [name, "off"].map(str::to_owned);
    Body::Feature(Feature { name, state, reason })
}

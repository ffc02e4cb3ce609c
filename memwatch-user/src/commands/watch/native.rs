//! The native memory of all targets: a tracker each, and what they say as records.

use std::collections::{BTreeMap, BTreeSet};

use memwatch_common::target::TaskLayout;

use super::{
    mappings::Mappings,
    translate::{self, Stamp},
};
use crate::{
    bpf::losses::{self, Counts},
    host::{clock, features::Features},
    model::ProcessId,
    native::{self, Holder, Javascript, Mode, Tracker, Trackers, direct::Direct},
    report::record::{Body, Feature, Kind, Level, Record},
};

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
    starting: Trackers,
    trackers: BTreeMap<u32, Tracker>,
    /// What is mapped past `malloc`.
    mappings: Mappings,
    /// Targets whose verdict was told before it was known who holds what grows.
    nameless: BTreeSet<u32>,
    /// What trackers that are gone cost, CPU seconds.
    gone_s: f64,
}

impl Natives {
    pub(super) fn new(asked: Asked) -> Self {
        Self {
            asked,
            starting: Trackers::new(asked.mode, asked.budget_pct, asked.features),
            trackers: BTreeMap::new(),
            mappings: Mappings::new(asked),
            nameless: BTreeSet::new(),
            gone_s: 0.0,
        }
    }

    /// Begins to follow a target, if that was asked for. `v8` is the file that holds its V8; with `javascript` its callers in
    /// JavaScript are told. What there is to say if something cannot be done.
    pub(super) fn start(&mut self, id: ProcessId, v8: &str, javascript: Option<Javascript>) -> Option<Body> {
        self.mappings.add(id.pid, v8, javascript.clone());
        match self.starting.start(id, javascript) {
            _ if self.asked.mode == Mode::Off => None,
            Ok(tracker) => {
                self.trackers.insert(id.pid, tracker);
                None
            }
            Err(reason) => Some(off("native_sites", reason.to_string())),
        }
    }

    /// A target is gone, or is to be left alone. Its probes go on their own time.
    pub(super) fn stop(&mut self, pid: u32) {
        if let Some(tracker) = self.trackers.remove(&pid) {
            self.gone_s += tracker.known().cost_s;
        }
        self.mappings.remove(pid);
        self.nameless.remove(&pid);
    }

    /// Whether anything of native memory is looked at that costs the targets something.
    pub(super) fn may_cost(&self) -> bool {
        matches!(self.asked.mode, Mode::Auto | Mode::Full)
    }

    /// Takes all probes away; blocks until they are gone.
    pub(super) fn detach(self) {
        let trackers: Vec<Tracker> = self.trackers.into_values().collect();
        Tracker::stop_all(trackers);
        self.mappings.detach();
    }

    /// What a target pays by now for collections and stacks of JavaScript, percent of one CPU: the budget is for the sum.
    pub(super) fn leave_for_others(&self, pid: u32, cost_pct: f64) {
        let mappings_pct = self.asked.budget_pct * self.mappings.share_of_budget(pid);
        if let Some(tracker) = self.trackers.get(&pid) {
            tracker.leave_for_others(cost_pct + mappings_pct);
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
        // Where it is not known whether it grows, mappings are followed in any case.
        let grows = self.trackers.get(&pid).is_none_or(Tracker::is_alarmed);
        records.extend(self.mappings.turn(pid, grows).map(|body| stamp.record(clock::now(), body)));
        records
    }

    /// Says of each verdict on native memory who holds it.
    pub(super) fn attribute(&mut self, pid: u32, records: &mut [Record]) {
        for record in records {
            if let Body::Verdict(verdict) = &mut record.body
                && verdict.kind == Kind::Native
            {
                verdict.sites = self.holders(pid).into_iter().map(translate::holder).collect();
                self.nameless.remove(&pid);
                if verdict.sites.is_empty() && verdict.verdict >= Level::Growing {
                    self.nameless.insert(pid);
                }
            }
        }
    }

    /// Whether it is known by now who holds the native memory of a target whose verdict was told without: it takes a window or
    /// two, and then some looks, to tell.
    pub(super) fn has_found(&self, pid: u32) -> bool {
        self.nameless.contains(&pid) && !self.holders(pid).is_empty()
    }

    fn holders(&self, pid: u32) -> Vec<Holder> {
        let blocks = self.trackers.get(&pid).map(|tracker| tracker.known().holders);
        native::together(blocks.unwrap_or_default(), self.mappings.holders(pid))
    }

    /// Adds what was lost of a target to what is lost of it beside that.
    pub(super) fn add_losses(&self, pid: u32, counts: &mut Counts) {
        let blocks = self.trackers.get(&pid).map(|tracker| tracker.known().losses);
        let mappings = self.mappings.direct().map(|direct| direct.losses(pid));
        losses::add(counts, blocks.into_iter().chain(mappings).flatten());
    }

    /// What the targets were charged, those that are gone too, CPU seconds.
    pub(super) fn cost_s(&self) -> f64 {
        let blocks: f64 = self.trackers.values().map(|tracker| tracker.known().cost_s).sum();
        self.gone_s + blocks + self.mappings.direct().map_or(0.0, Direct::cost_s)
    }
}

/// That a feature is off, and why.
pub(super) fn off(name: &str, reason: String) -> Body {
    let [name, state] = [name, "off"].map(str::to_owned);
    Body::Feature(Feature { name, state, reason })
}

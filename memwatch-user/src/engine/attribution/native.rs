//! The native memory of all targets: a tracker each, and who holds what.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{asked::Asked, mappings::Mappings};
use crate::{
    bpf::losses::{self, Counts},
    detect::{Kind, Level},
    engine::features::FeatureChange,
    model::ProcessId,
    native::{self, Decision, Holder, Javascript, Mode, NativeError, Tracker, Trackers, direct::Direct},
};

/// The trackers of all targets.
pub(crate) struct Natives {
    asked: Asked,
    starting: Trackers,
    trackers: BTreeMap<u32, Tracker>,
    /// What is mapped past `malloc`.
    mappings: Mappings,
    /// Targets and kinds whose verdict was reported before it was known who holds what grows.
    nameless: BTreeSet<(u32, Kind)>,
    /// What trackers that are gone cost, CPU seconds.
    gone_s: f64,
}

impl Natives {
    pub(crate) fn new(asked: Asked) -> Self {
        Self {
            asked,
            starting: Trackers::new(asked.mode, asked.budget_pct, asked.features),
            trackers: BTreeMap::new(),
            mappings: Mappings::new(asked),
            nameless: BTreeSet::new(),
            gone_s: 0.0,
        }
    }

    /// Begins to follow a target, as far as that was asked for: what it takes to have a tracker of it. `v8` is the file that holds
    /// its V8; with `javascript` its callers in JavaScript are known.
    pub(crate) fn start(
        &mut self,
        id: ProcessId,
        v8: &str,
        javascript: Option<Javascript>,
    ) -> Option<TrackerJob> {
        self.mappings.add(id.pid, v8, javascript.clone());
        let starting = self.starting.clone();
        (self.asked.mode != Mode::Off).then_some(TrackerJob { id, starting, javascript })
    }

    /// Takes in a tracker of a target, or why there is none.
    pub(crate) fn started(
        &mut self,
        pid: u32,
        tracker: Result<Tracker, NativeError>,
    ) -> Option<FeatureChange> {
        let tracker = tracker.map_err(|reason| FeatureChange::off("native_sites", Arc::new(reason)));
        tracker.map(|tracker| self.trackers.insert(pid, tracker)).err()
    }

    /// A target is gone, or is to be left alone. Its probes go on their own time.
    pub(crate) fn stop(&mut self, pid: u32) {
        if let Some(tracker) = self.trackers.remove(&pid) {
            self.gone_s += tracker.known().cost_s;
        }
        self.mappings.remove(pid);
        self.nameless.retain(|(of, _)| *of != pid);
    }

    /// What has probes on the allocators of targets, and what has programs on the kernel's functions.
    pub(crate) fn into_parts(self) -> (Vec<Tracker>, Mappings) {
        (self.trackers.into_values().collect(), self.mappings)
    }

    /// What was decided for a target since this was asked last.
    pub(crate) fn decisions(&self, pid: u32) -> Vec<Decision> {
        self.trackers.get(&pid).map(Tracker::decisions).unwrap_or_default()
    }

    /// Follows what a target maps itself while it grows. The change, if that turned out to be impossible.
    pub(crate) fn turn_mappings(&mut self, pid: u32) -> Option<FeatureChange> {
        // Where it is not known whether it grows, mappings are followed in any case.
        let grows = self.trackers.get(&pid).is_none_or(Tracker::is_alarmed);
        self.mappings.turn(pid, grows)
    }

    /// Who holds the native memory of `kind` that a verdict of `level` is about.
    pub(crate) fn holders_for(&mut self, pid: u32, kind: Kind, level: Level) -> Vec<Holder> {
        let holders = self.holders(pid, kind);
        if holders.is_empty() && level >= Level::Growing {
            self.nameless.insert((pid, kind));
        } else {
            self.nameless.remove(&(pid, kind));
        }
        holders
    }

    /// Whether it is known by now who holds the native memory of `kind` of a target whose verdict was reported without: it takes a
    /// window or two, and then some looks, to tell.
    pub(crate) fn has_found(&self, pid: u32, kind: Kind) -> bool {
        self.nameless.contains(&(pid, kind)) && !self.holders(pid, kind).is_empty()
    }

    /// Array buffers are blocks of malloc as well, and have a kind of their own.
    fn holders(&self, pid: u32, kind: Kind) -> Vec<Holder> {
        let blocks = self.trackers.get(&pid).map(|tracker| tracker.known().holders);
        let all = native::together(blocks.unwrap_or_default(), self.mappings.holders(pid));
        if kind == Kind::External { native::of_array_buffers(all) } else { all }
    }

    /// Adds what was lost of a target to what is lost of it beside that.
    pub(crate) fn add_losses(&self, pid: u32, counts: &mut Counts) {
        let blocks = self.trackers.get(&pid).map(|tracker| tracker.known().losses);
        let mappings = self.mappings.direct().map(|direct| direct.losses(pid));
        losses::add(counts, blocks.into_iter().chain(mappings).flatten());
    }

    /// What a target pays by now for collections and stacks of JavaScript, percent of one CPU: the budget is for the sum.
    pub(crate) fn leave_for_others(&self, pid: u32, cost_pct: f64) {
        let mappings_pct = self.asked.budget_pct * self.mappings.share_of_budget(pid);
        if let Some(tracker) = self.trackers.get(&pid) {
            tracker.leave_for_others(cost_pct + mappings_pct);
        }
    }

    /// What the targets were charged, those that are gone too, CPU seconds.
    pub(crate) fn cost_s(&self) -> f64 {
        let blocks: f64 = self.trackers.values().map(|tracker| tracker.known().cost_s).sum();
        self.gone_s + blocks + self.mappings.direct().map_or(0.0, Direct::cost_s)
    }
}

/// A tracker that is to be started: that reads the target's mappings and its C library.
pub(crate) struct TrackerJob {
    id: ProcessId,
    starting: Trackers,
    javascript: Option<Javascript>,
}

impl TrackerJob {
    /// Starts it.
    pub(crate) fn run(self) -> Result<Tracker, NativeError> {
        self.starting.start(self.id, self.javascript)
    }
}

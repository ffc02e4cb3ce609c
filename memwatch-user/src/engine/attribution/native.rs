//! The native memory of all targets: a tracker each, and what they say as records.

use std::collections::{BTreeMap, BTreeSet};

use memwatch_common::{loss::LossReason, target::TaskLayout};

use super::mappings::Mappings;
use crate::{
    engine::losses,
    host::{clock, features::Features},
    model::ProcessId,
    native::{self, Holder, Javascript, Mode, Tracker, direct::Direct},
    report::record::{Body, Feature, Kind, Level, Loss, Record, Switch},
    translate::{self, Stamp},
};

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) mode: Mode,
    /// Percent of one CPU.
    pub(crate) budget_pct: f64,
    /// What the kernel offers.
    pub(crate) features: Features,
    /// Where it keeps what leads to a thread's isolate.
    pub(crate) task: TaskLayout,
}

/// The trackers of all targets.
pub(crate) struct Natives {
    asked: Asked,
    trackers: BTreeMap<u32, Tracker>,
    /// What is mapped past `malloc`.
    mappings: Mappings,
    /// Targets whose verdict was told before it was known who holds what grows.
    nameless: BTreeSet<u32>,
    /// Of trackers that are gone: losses, by reason.
    gone_losses: BTreeMap<LossReason, u64>,
    /// What they cost, CPU seconds.
    gone_s: f64,
}

impl Natives {
    pub(crate) fn new(asked: Asked) -> Self {
        Self {
            asked,
            trackers: BTreeMap::new(),
            mappings: Mappings::new(asked),
            nameless: BTreeSet::new(),
            gone_losses: BTreeMap::new(),
            gone_s: 0.0,
        }
    }

    /// Begins to follow a target, if that was asked for. `v8` is the file that holds its V8; with `javascript` its callers in
    /// JavaScript are told. What there is to say if something cannot be done.
    pub(crate) fn start(&mut self, id: ProcessId, v8: &str, javascript: Option<Javascript>) -> Option<Body> {
        let Asked { mode, budget_pct, features, .. } = self.asked;
        self.mappings.add(id.pid, v8, javascript.clone());
        match Tracker::start(id, mode, budget_pct, features, javascript) {
            _ if mode == Mode::Off => None,
            Ok(tracker) => {
                self.trackers.insert(id.pid, tracker);
                None
            }
            Err(reason) => Some(off("native_sites", reason)),
        }
    }

    /// A target is gone, or is to be left alone. Its probes go on their own time.
    pub(crate) fn stop(&mut self, pid: u32) {
        if let Some(tracker) = self.trackers.remove(&pid) {
            let known = tracker.known();
            self.gone_s += known.cost_s;
            for (reason, count) in known.losses {
                *self.gone_losses.entry(reason).or_default() += count;
            }
        }
        self.mappings.remove(pid);
        self.nameless.remove(&pid);
    }

    /// Takes all probes away; blocks until they are gone.
    pub(crate) fn detach(self) {
        let trackers: Vec<Tracker> = self.trackers.into_values().collect();
        Tracker::stop_all(trackers);
        self.mappings.detach();
    }

    /// What was decided, and what turned out to be impossible, since this was asked last, of the target that `stamp` is of.
    pub(crate) fn decisions(&mut self, stamp: &Stamp) -> Vec<Record> {
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
    pub(crate) fn attribute(&mut self, pid: u32, records: &mut [Record]) {
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
    pub(crate) fn has_found(&self, pid: u32) -> bool {
        self.nameless.contains(&pid) && !self.holders(pid).is_empty()
    }

    fn holders(&self, pid: u32) -> Vec<Holder> {
        let blocks = self.trackers.get(&pid).map(|tracker| tracker.known().holders);
        native::together(blocks.unwrap_or_default(), self.mappings.holders(pid))
    }

    /// Adds what was lost to what is lost beside it.
    pub(crate) fn add_losses(&self, loss: &mut Loss) {
        let blocks = self.trackers.values().flat_map(|tracker| tracker.known().losses);
        let mappings = self.mappings.direct().into_iter().flat_map(Direct::losses);
        let gone = self.gone_losses.iter().map(|(reason, count)| (*reason, *count));
        for (reason, count) in blocks.chain(mappings).chain(gone) {
            losses::add(loss, reason, count);
        }
    }

    /// What the targets were charged, those that are gone too, CPU seconds.
    pub(crate) fn cost_s(&self) -> f64 {
        let blocks: f64 = self.trackers.values().map(|tracker| tracker.known().cost_s).sum();
        self.gone_s + blocks + self.mappings.direct().map_or(0.0, Direct::cost_s)
    }
}

/// That a feature is off, and why.
pub(crate) fn off(name: &str, reason: String) -> Body {
    Body::Feature(Feature { name: name.to_owned(), state: Switch::Off, reason })
}

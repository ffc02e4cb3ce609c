//! The native memory of all targets: a tracker each, and what they say as records.

use std::collections::BTreeMap;

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
    /// What targets map themselves, from the first on that has to be looked at.
    direct: Option<Direct>,
    mappers: BTreeMap<u32, Mapper>,
}

/// A target that may map memory itself.
struct Mapper {
    v8: String,
    javascript: Option<Javascript>,
    state: Following,
}

/// Whether direct mappings are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Following {
    /// When it grows.
    Waits,
    /// They are, as far as we have said.
    Follows,
    /// That it cannot be done has been said.
    Refused,
}

impl Natives {
    pub(super) fn new(asked: Asked) -> Self {
        Self { asked, trackers: BTreeMap::new(), direct: None, mappers: BTreeMap::new() }
    }

    /// Begins to follow a target, if that was asked for. `v8` is the file that holds its V8; with `javascript` its callers in
    /// JavaScript are told. What there is to say if something cannot be done.
    pub(super) fn start(&mut self, id: ProcessId, v8: &str, javascript: Option<Javascript>) -> Option<Body> {
        let Asked { mode, budget_pct, features, .. } = self.asked;
        if matches!(mode, Mode::Auto | Mode::Full) {
            let mapper =
                Mapper { v8: v8.to_owned(), javascript: javascript.clone(), state: Following::Waits };
            self.mappers.insert(id.pid, mapper);
        }
        match Tracker::start(id, mode, budget_pct, features, javascript) {
            _ if mode == Mode::Off => None,
            Ok(tracker) => {
                self.trackers.insert(id.pid, tracker);
                None
            }
            Err(reason) => Some(off("native_sites", reason)),
        }
    }

    /// Follows the direct mappings of `pid` while it grows; always where that is not known, or everything is to be. What there
    /// is to say if it cannot be done.
    fn follow_mappings(&mut self, pid: u32) -> Option<Body> {
        let grows = self.asked.mode == Mode::Full || self.trackers.get(&pid).is_none_or(Tracker::is_alarmed);
        let mapper = self.mappers.get_mut(&pid)?;
        let refused = match (mapper.state, grows) {
            (Following::Waits, true) => match direct(&mut self.direct, &self.asked) {
                Ok(direct) => {
                    mapper.state = Following::Follows;
                    direct.follow(pid, &mapper.v8, mapper.javascript.clone());
                    None
                }
                Err(reason) => Some(reason),
            },
            (Following::Follows, false) => {
                mapper.state = Following::Waits;
                self.direct.as_ref()?.leave(pid);
                None
            }
            (Following::Follows, true) => self.direct.as_ref()?.refusal(pid),
            (Following::Waits, false) | (Following::Refused, _) => None,
        }?;
        mapper.state = Following::Refused;
        Some(off(MAPPINGS, refused))
    }

    /// A target is gone, or is to be left alone. Its probes go on their own time.
    pub(super) fn stop(&mut self, pid: u32) {
        self.trackers.remove(&pid);
        self.mappers.remove(&pid);
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
        records.extend(self.follow_mappings(pid).map(|body| stamp.record(clock::now(), body)));
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

/// What follows direct mappings, begun if need be.
fn direct<'a>(begun: &'a mut Option<Direct>, asked: &Asked) -> Result<&'a Direct, String> {
    let direct = if let Some(direct) = begun.take() {
        direct
    } else {
        let budget_pct = (asked.mode == Mode::Auto).then_some(asked.budget_pct);
        Direct::start(asked.features, asked.task, budget_pct)?
    };
    Ok(begun.insert(direct))
}

fn off(name: &str, reason: String) -> Body {
    let [name, state] = [name, "off"].map(str::to_owned);
    Body::Feature(Feature { name, state, reason })
}

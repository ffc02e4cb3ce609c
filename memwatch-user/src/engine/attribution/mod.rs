//! Where the memory of all targets comes from: JavaScript that allocates, and call sites of `malloc`; what holds what their
//! heaps grow by; and where collections start. A stage of its own: it is told of isolates and asked about verdicts, and sees no record.

pub(crate) mod asked;
pub(crate) mod mappings;
pub(crate) mod names;
pub(crate) mod native;
pub(crate) mod room;
pub(crate) mod stacks;
mod survivors;
pub(crate) mod triggers;

use memwatch_common::{stack::StackLayout, target::TaskLayout};

use self::{native::Natives, stacks::Stacks, triggers::Triggers};
use super::{
    heaps::HeapTakes,
    outcome::{Attributed, IsolateFacts, Sites},
};
use crate::{
    attribute::{self, Starts},
    detect::{Kind, Verdict},
    model::{Collection, Frame, ProcessId},
    native::Javascript,
    plan::StackPlan,
};

/// Memory whose call sites are known: Node takes array buffers from malloc.
const TAKEN_BY_NATIVE_CODE: [Kind; 2] = [Kind::Native, Kind::External];

/// All of it.
pub(crate) struct Attribution {
    pub(crate) stacks: Stacks,
    pub(crate) natives: Natives,
    pub(crate) triggers: Triggers,
    /// Where the kernel keeps what leads to a thread's isolate.
    task: TaskLayout,
}

impl Attribution {
    pub(crate) fn new(stacks: Stacks, natives: Natives, task: TaskLayout) -> Self {
        Self { stacks, natives, triggers: Triggers::default(), task }
    }

    /// What it takes to say which JavaScript called what allocates in a target; `None` if stacks are not wanted.
    pub(crate) fn javascript(&self, plan: StackPlan, layout: StackLayout) -> Option<Javascript> {
        self.stacks.are_wanted().then_some(Javascript { plan, layout, task: self.task })
    }

    /// Adds to each verdict on a target where the memory comes from and, as `heaps` know it, what holds it, if its kind is followed.
    pub(crate) fn attribute(
        &mut self,
        heaps: &mut HeapTakes,
        id: ProcessId,
        verdicts: Vec<Verdict>,
    ) -> Vec<Attributed> {
        let attributed = |verdict: Verdict| {
            let (sites, holders) = (self.sites(id.pid, &verdict), heaps.holders_of(id, &verdict));
            Attributed { verdict, sites, holders }
        };
        verdicts.into_iter().map(attributed).collect()
    }

    /// Kinds of memory of which more is known than when their verdicts on a target were reported.
    pub(crate) fn found(&self, heaps: &HeapTakes, pid: u32) -> Vec<Kind> {
        let native = TAKEN_BY_NATIVE_CODE.into_iter().filter(|kind| self.natives.has_found(pid, *kind));
        native.chain(heaps.found(pid)).collect()
    }

    fn sites(&mut self, pid: u32, verdict: &Verdict) -> Sites {
        match (verdict.kind, verdict.isolate) {
            (Kind::JsHeap, Some(serial)) => self.stacks.sites(pid, serial),
            (kind, _) if TAKEN_BY_NATIVE_CODE.contains(&kind) => {
                Sites::Held(self.natives.holders_for(pid, kind, verdict.finding.level))
            }
            _ => Sites::Unknown,
        }
    }

    /// An isolate of a target is known from now on.
    pub(crate) fn isolate_began(&mut self, pid: u32, isolate: &IsolateFacts) {
        self.stacks.isolate_began(pid, isolate.serial, isolate.tid);
    }

    /// An isolate of a target is gone: where its collections started, if that was counted.
    pub(crate) fn isolate_ended(&mut self, pid: u32, isolate: &IsolateFacts) -> Option<Starts> {
        self.stacks.isolate_ended(pid, isolate.serial, isolate.tid);
        self.triggers.take(pid, isolate.serial)
    }

    /// Where a collection of the isolate `serial` started, if stacks of the target are walked and that is known.
    pub(crate) fn trigger(&mut self, pid: u32, serial: u32, collection: &Collection) -> Option<Vec<Frame>> {
        if !self.stacks.are_of(pid) || !self.stacks.are_seen(collection) {
            return None;
        }
        let frames = self.stacks.known(pid, collection).and_then(attribute::started_in);
        self.triggers.add((pid, serial), collection, frames.as_deref());
        frames
    }

    /// Follows a target no more.
    pub(crate) fn forget(&mut self, pid: u32) {
        self.stacks.forget(pid);
        self.natives.stop(pid);
    }
}

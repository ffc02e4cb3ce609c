//! Where the memory of all targets comes from: JavaScript that allocates, and call sites of `malloc`; what holds what their
//! heaps grow by; and where collections start. A stage of its own: it is told of isolates and asked about verdicts, and sees no record.

pub(crate) mod asked;
pub(crate) mod heaps;
pub(crate) mod holders;
pub(crate) mod mappings;
pub(crate) mod names;
pub(crate) mod native;
pub(crate) mod room;
pub(crate) mod stacks;
pub(crate) mod take;
pub(crate) mod triggers;

use memwatch_common::{stack::StackLayout, target::TaskLayout};

use self::{heaps::HeapTakes, holders::HeapHolder, native::Natives, stacks::Stacks, triggers::Triggers};
use super::outcome::{Attributed, IsolateFacts, Sites};
use crate::{
    attribute::{self, Starts},
    detect::{Kind, Level, Verdict},
    model::{Collection, Frame, ProcessId},
    native::Javascript,
    plan::StackPlan,
};

/// Memory that objects of JavaScript hold: array buffers are outside of the heap, and what holds them is in it.
const HELD_BY_OBJECTS: [Kind; 2] = [Kind::JsHeap, Kind::External];

/// Memory whose call sites are known: Node takes array buffers from malloc.
const TAKEN_BY_NATIVE_CODE: [Kind; 2] = [Kind::Native, Kind::External];

/// All of it.
pub(crate) struct Attribution {
    pub(crate) stacks: Stacks,
    pub(crate) natives: Natives,
    pub(crate) triggers: Triggers,
    pub(crate) heaps: HeapTakes,
    /// Where the kernel keeps what leads to a thread's isolate.
    task: TaskLayout,
}

impl Attribution {
    pub(crate) fn new(stacks: Stacks, natives: Natives, heaps: HeapTakes, task: TaskLayout) -> Self {
        Self { stacks, natives, heaps, triggers: Triggers::default(), task }
    }

    /// What it takes to say which JavaScript called what allocates in a target; `None` if stacks are not wanted.
    pub(crate) fn javascript(&self, plan: StackPlan, layout: StackLayout) -> Option<Javascript> {
        self.stacks.are_wanted().then_some(Javascript { plan, layout, task: self.task })
    }

    /// Adds to each verdict on a target where the memory comes from and what holds it, if its kind is followed.
    pub(crate) fn attribute(&mut self, id: ProcessId, verdicts: Vec<Verdict>) -> Vec<Attributed> {
        let attributed = |verdict: Verdict| {
            let (sites, holders) = (self.sites(id.pid, &verdict), self.holders(id, &verdict));
            Attributed { verdict, sites, holders }
        };
        verdicts.into_iter().map(attributed).collect()
    }

    /// Kinds of memory of which more is known than when their verdicts on a target were reported.
    pub(crate) fn found(&self, pid: u32) -> Vec<Kind> {
        let native = TAKEN_BY_NATIVE_CODE.into_iter().filter(|kind| self.natives.has_found(pid, *kind));
        let heap = self.heaps.has_found(pid).then_some(HELD_BY_OBJECTS);
        native.chain(heap.into_iter().flatten()).collect()
    }

    fn holders(&mut self, id: ProcessId, verdict: &Verdict) -> Vec<HeapHolder> {
        if !HELD_BY_OBJECTS.contains(&verdict.kind) || verdict.finding.level < Level::Growing {
            return Vec::new();
        }
        self.heaps.suspect(id);
        self.heaps.holders_for(id.pid)
    }

    fn sites(&mut self, pid: u32, verdict: &Verdict) -> Sites {
        match (verdict.kind, verdict.isolate) {
            (Kind::JsHeap, Some(serial)) => Sites::Allocated(self.stacks.sites(pid, serial)),
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
        self.heaps.forget(pid);
    }
}

//! Where the memory of all targets comes from: JavaScript that allocates, and call sites of `malloc`; and where collections
//! start. A stage of its own: it is told of isolates and asked about verdicts, and sees no record.

pub(crate) mod asked;
pub(crate) mod mappings;
pub(crate) mod names;
pub(crate) mod native;
pub(crate) mod room;
pub(crate) mod stacks;
pub(crate) mod triggers;

use memwatch_common::{stack::StackLayout, target::TaskLayout};

use self::{native::Natives, stacks::Stacks, triggers::Triggers};
use super::outcome::{Attributed, IsolateFacts, Sites};
use crate::{
    attribute::{self, Starts},
    detect::{Kind, Verdict},
    model::{Collection, Frame},
    native::Javascript,
    plan::StackPlan,
};

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

    /// Adds to each verdict on a target where the memory comes from, if its kind is followed.
    pub(crate) fn attribute(&mut self, pid: u32, verdicts: Vec<Verdict>) -> Vec<Attributed> {
        let with_sites = |verdict: Verdict| Attributed { sites: self.sites(pid, &verdict), verdict };
        verdicts.into_iter().map(with_sites).collect()
    }

    fn sites(&mut self, pid: u32, verdict: &Verdict) -> Sites {
        match (verdict.kind, verdict.isolate) {
            (Kind::JsHeap, Some(serial)) => Sites::Allocated(self.stacks.sites(pid, serial)),
            (Kind::Native, _) => Sites::Held(self.natives.holders_for(pid, verdict.finding.level)),
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
        if !self.stacks.are_of(pid) {
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

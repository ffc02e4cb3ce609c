//! Where the memory of all targets comes from: JavaScript that allocates, and call sites of `malloc`; and where collections
//! start.

pub(crate) mod mappings;
pub(crate) mod native;
pub(crate) mod stacks;
pub(crate) mod triggers;

use self::{native::Natives, stacks::Stacks, triggers::Starts};
use crate::{model::Collection, report::record::Record};

/// All of it.
pub(crate) struct Origins {
    pub(crate) stacks: Stacks,
    pub(crate) natives: Natives,
    pub(crate) starts: Starts,
}

impl Origins {
    /// Says in each verdict on a target whose kind of memory is followed where it comes from.
    pub(crate) fn attribute(&mut self, pid: u32, records: &mut [Record]) {
        self.stacks.attribute(pid, records);
        self.natives.attribute(pid, records);
    }

    /// Says in the record of a collection where it started, if stacks of the target are walked.
    pub(crate) fn collection(&mut self, pid: u32, collection: &Collection, records: &mut [Record]) {
        if self.stacks.are_of(pid) {
            let stack = self.stacks.known(pid, collection);
            self.starts.collection(pid, collection, stack, records);
        }
    }

    /// Follows a target no more.
    pub(crate) fn forget(&mut self, pid: u32) {
        self.stacks.forget(pid);
        self.natives.stop(pid);
    }
}

//! Where the memory of all targets comes from: JavaScript that allocates, and call sites of `malloc`.

use super::{native::Natives, stacks::Stacks};
use crate::report::record::Record;

/// Both.
pub(super) struct Origins {
    pub(super) stacks: Stacks,
    pub(super) natives: Natives,
}

impl Origins {
    /// Says in each verdict on a target whose kind of memory is followed where it comes from.
    pub(super) fn attribute(&mut self, pid: u32, records: &mut [Record]) {
        self.stacks.attribute(pid, records);
        self.natives.attribute(pid, records);
    }

    /// Follows a target no more.
    pub(super) fn forget(&mut self, pid: u32) {
        self.stacks.forget(pid);
        self.natives.stop(pid);
    }
}

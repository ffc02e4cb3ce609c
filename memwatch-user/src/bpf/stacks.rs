//! The kernel side's maps of stacks: which processes are walked, and what was allocated where.

use aya::{
    Ebpf,
    maps::{HashMap, MapData},
};
use memwatch_common::{
    names::map,
    stack::{StackKey, StackLayout, StackVolume},
};

use super::load::{Kernel, LoadError, in_map, typed};

/// The maps of stacks.
pub struct StackMaps {
    layouts: HashMap<MapData, u32, StackLayout>,
    volumes: HashMap<MapData, StackKey, StackVolume>,
}

impl StackMaps {
    /// Takes them from a loaded object; once.
    pub fn open(kernel: &mut Kernel) -> Result<Self, LoadError> {
        Self::of(&mut kernel.ebpf)
    }

    pub(super) fn of(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        Ok(Self { layouts: typed(ebpf, map::STACK_LAYOUTS)?, volumes: typed(ebpf, map::STACKS)? })
    }

    /// From now on stacks of `pid` are walked.
    pub fn walk(&mut self, pid: u32, layout: StackLayout) -> Result<(), LoadError> {
        self.layouts.insert(pid, layout, 0).map_err(in_map(map::STACK_LAYOUTS))
    }

    /// How often `pid` was hit by a probe on an allocation since [`Self::walk`], and how often its stack was walked.
    #[must_use]
    pub fn hits_and_walks(&self, pid: u32) -> (u64, u64) {
        self.layouts.get(&pid, 0).map_or((0, 0), |layout| (layout.hits, layout.walks))
    }

    /// Stacks of `pid` are not walked any more; that they were not is no error.
    pub fn stop(&mut self, pid: u32) {
        let _absent = self.layouts.remove(&pid);
    }

    /// What was allocated at a stack so far. None of it if the kernel side does not know the stack.
    #[must_use]
    pub fn volume(&self, key: StackKey) -> StackVolume {
        self.volumes.get(&key, 0).unwrap_or_default()
    }

    /// Forgets a stack: seen again, it is new.
    pub fn forget(&mut self, key: StackKey) {
        let _absent = self.volumes.remove(&key);
    }
}

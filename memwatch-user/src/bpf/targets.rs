//! What the kernel side is told while it runs, and what it says beside its records: the maps of targets, of heap layouts and of
//! losses.

use aya::{
    Ebpf,
    maps::{Array, HashMap, MapData},
};
use memwatch_common::{
    names::map,
    target::{HeapLayout, Target, UNCLAIMED},
};

use super::{
    error::{LoadError, in_map, typed},
    losses::{LossMaps, Losses},
};

/// The maps by which the kernel side knows whom it is to look at.
pub struct TargetMaps {
    targets: HashMap<MapData, u32, Target>,
    followed: HashMap<MapData, u32, u8>,
    heap_layouts: Array<MapData, HeapLayout>,
    losses: LossMaps,
}

impl TargetMaps {
    /// Takes them from a loaded object; once.
    pub(super) fn of(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        let mut maps = Self {
            targets: typed(ebpf, map::TARGETS)?,
            followed: typed(ebpf, map::FOLLOWED)?,
            heap_layouts: typed(ebpf, map::HEAP_LAYOUTS)?,
            losses: LossMaps::of(ebpf)?,
        };
        // Until the collector has looked at it, a process that was admitted by the kernel side is nobody's.
        maps.set_heap_layout(UNCLAIMED, HeapLayout::UNKNOWN)?;
        Ok(maps)
    }

    /// Makes a process a target that is served by `attachment`, or by none ([`UNCLAIMED`]) if it has no probes.
    pub fn add_target(&mut self, pid: u32, attachment: u32) -> Result<(), LoadError> {
        self.targets.insert(pid, Target { attachment }, 0).map_err(in_map(map::TARGETS))
    }

    /// Forgets a target and what was lost of it; that it was none is no error.
    pub fn remove_target(&mut self, pid: u32) {
        let _absent = self.targets.remove(&pid);
        self.losses.forget(pid);
    }

    /// Makes targets of what descends from this process and executes a program.
    pub fn follow(&mut self, pid: u32) -> Result<(), LoadError> {
        self.followed.insert(pid, 0, 0).map_err(in_map(map::FOLLOWED))
    }

    /// Whether a process is followed: it descends from one that [`Self::follow`] named.
    #[must_use]
    pub fn is_followed(&self, pid: u32) -> bool {
        self.followed.get(&pid, 0).is_ok()
    }

    /// Stops following a process; those that descend from it are followed on.
    pub fn unfollow(&mut self, pid: u32) {
        let _absent = self.followed.remove(&pid);
    }

    /// Says how the binary of an attachment lays out a heap.
    pub fn set_heap_layout(&mut self, attachment: u32, layout: HeapLayout) -> Result<(), LoadError> {
        self.heap_layouts.set(attachment, layout, 0).map_err(in_map(map::HEAP_LAYOUTS))
    }

    /// Losses since the object was loaded, by process and reason.
    pub fn losses(&self) -> Result<Losses, LoadError> {
        self.losses.read()
    }
}

//! The kernel side's maps of objects that are followed: in which processes, and those of each isolate.

use aya::{
    Ebpf,
    maps::{HashMap, MapData, ProgramArray},
};
use memwatch_common::{
    names::{map, probe},
    survivors::{Followed, List, MAX_OLD, MAX_YOUNG, PageLayout, Slot, SlotKey},
};

use super::{
    attach::loaded_uprobe,
    error::{LoadError, in_map, in_program, typed},
    load::Programs,
};

/// The maps of objects that are followed.
pub struct SurvivorMaps {
    layouts: HashMap<MapData, u32, PageLayout>,
    objects: HashMap<MapData, u64, Followed>,
    slots: HashMap<MapData, SlotKey, Slot>,
}

/// Old objects of one isolate, as they were right after a full collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Old {
    /// How many full collections were followed by then.
    pub collections: u64,
    /// The objects.
    pub slots: Vec<Slot>,
}

impl SurvivorMaps {
    pub(super) fn of(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        Ok(Self {
            layouts: typed(ebpf, map::PAGE_LAYOUTS)?,
            objects: typed(ebpf, map::OBJECTS)?,
            slots: typed(ebpf, map::SLOTS)?,
        })
    }

    /// From now on objects of `pid` are followed. All probes for it have to be live.
    pub fn follow(&mut self, pid: u32, layout: PageLayout) -> Result<(), LoadError> {
        self.layouts.insert(pid, layout, 0).map_err(in_map(map::PAGE_LAYOUTS))
    }

    /// No more; that they were not is no error.
    pub fn stop(&mut self, pid: u32) {
        let _absent = self.layouts.remove(&pid);
    }

    /// How many full collections of a thread's isolate were followed.
    #[must_use]
    pub fn collections(&self, thread: u64) -> u64 {
        self.objects.get(&thread, 0).map_or(0, |followed| followed.collections)
    }

    /// The old objects of a thread's isolate; `None` while the kernel side rewrites them.
    #[must_use]
    pub fn old(&self, thread: u64) -> Option<Old> {
        let before = self.objects.get(&thread, 0).ok()?;
        let slot = |index| self.slots.get(&SlotKey::new(thread, List::Old, index), 0).ok();
        let slots = (0..before.old.min(MAX_OLD)).filter_map(slot).collect();
        let after = self.objects.get(&thread, 0).ok()?;
        let is_whole = before.version.is_multiple_of(2) && before.version == after.version;
        is_whole.then_some(Old { collections: before.collections, slots })
    }

    /// Forgets the objects of a thread whose isolate is gone.
    pub fn forget(&mut self, thread: u64) {
        let _absent = self.objects.remove(&thread);
        // They lie one behind the other: the first that is absent is behind the last.
        for (list, most) in [(List::Young, MAX_YOUNG), (List::Old, MAX_OLD)] {
            let mut places = (0..most).map(|index| SlotKey::new(thread, list, index));
            let _last = places.find(|key| self.slots.remove(key).is_err());
        }
    }
}

impl Programs {
    /// Loads the program that looks at all objects of an isolate; without it none is followed. Once it is there this does nothing.
    pub fn load_looker(&mut self) -> Result<(), LoadError> {
        let fd = loaded_uprobe(&mut self.ebpf, probe::LOOK)?.fd().map_err(in_program(probe::LOOK))?;
        let fd = fd.try_clone().map_err(LoadError::MoreDescriptors)?;
        let Some(places) = self.ebpf.map_mut(map::LOOKER) else {
            return Err(LoadError::Missing(map::LOOKER));
        };
        let mut places = ProgramArray::try_from(places).map_err(in_map(map::LOOKER))?;
        places.set(0, &fd, 0).map_err(in_map(map::LOOKER))
    }
}

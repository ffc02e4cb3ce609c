//! The kernel side's maps of stacks: which processes are walked, and what was allocated where.

use aya::{
    Ebpf,
    maps::{HashMap, MapData, PerCpuHashMap, PerCpuValues},
    util::nr_cpus,
};
use memwatch_common::{
    names::map,
    stack::{StackCounts, StackKey, StackLayout, StackVolume},
};

use super::{
    error::{LoadError, in_map, typed},
    load::Kernel,
    survivors::SurvivorMaps,
};

/// The maps of stacks.
pub struct StackMaps {
    layouts: HashMap<MapData, u32, StackLayout>,
    counts: PerCpuHashMap<MapData, u32, StackCounts>,
    volumes: HashMap<MapData, StackKey, StackVolume>,
    /// Objects that were made at them.
    pub survivors: SurvivorMaps,
}

impl StackMaps {
    /// Takes them from a loaded object; once.
    pub fn open(kernel: &mut Kernel) -> Result<Self, LoadError> {
        Self::of(&mut kernel.programs.ebpf)
    }

    pub(super) fn of(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        Ok(Self {
            layouts: typed(ebpf, map::STACK_LAYOUTS)?,
            counts: typed(ebpf, map::STACK_COUNTS)?,
            volumes: typed(ebpf, map::STACKS)?,
            survivors: SurvivorMaps::of(ebpf)?,
        })
    }

    /// From now on stacks of `pid` are walked.
    pub fn walk(&mut self, pid: u32, layout: StackLayout) -> Result<(), LoadError> {
        // First the counters, of which each CPU has one: a walk that is not counted is not charged.
        let zeros = nr_cpus().map_err(|(_, source)| LoadError::Cpus(source))?;
        let zeros = PerCpuValues::try_from(vec![StackCounts::default(); zeros]).map_err(LoadError::Cpus)?;
        self.counts.insert(pid, zeros, 0).map_err(in_map(map::STACK_COUNTS))?;
        self.layouts.insert(pid, layout, 0).map_err(in_map(map::STACK_LAYOUTS))
    }

    /// How often `pid` was hit by a probe on an allocation since [`Self::walk`], and how often its stack was walked.
    #[must_use]
    pub fn hits_and_walks(&self, pid: u32) -> (u64, u64) {
        let per_cpu = self.counts.get(&pid, 0);
        let all = per_cpu.iter().flat_map(|per_cpu| per_cpu.iter());
        all.fold((0, 0), |(hits, walks), one| (hits + one.hits, walks + one.walks))
    }

    /// Stacks of `pid` are not walked any more; that they were not is no error.
    pub fn stop(&mut self, pid: u32) {
        self.survivors.stop(pid);
        let _absent = (self.layouts.remove(&pid), self.counts.remove(&pid));
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

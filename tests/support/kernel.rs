//! What of ours is alive in the kernel: programs, links and maps, by the ids that a process holds.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result};
use aya::maps::MapInfo;
use memwatch_user::bpf::ids::{self, Ids};

use crate::{patience, proc};

/// Ids of BPF objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Of programs.
    pub programs: BTreeSet<u32>,
    /// Of links; none on kernels that attach uprobes without (before 5.15).
    pub links: BTreeSet<u32>,
    /// Of maps.
    pub maps: BTreeSet<u32>,
}

/// What the process `pid` holds through its file descriptors.
pub fn held_by(pid: u32) -> Result<Objects> {
    let mut held = Objects::default();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))?.flatten() {
        // A descriptor may be closed meanwhile.
        let info = fs::read_to_string(entry.path()).unwrap_or_default();
        held.add(&info);
    }
    Ok(held)
}

impl Objects {
    /// Those of them which the kernel still knows. Ids are given out in rising order: none is somebody else's by now.
    pub fn alive(&self) -> Result<Self> {
        Ok(Self {
            programs: &self.programs & &ids::all(Ids::Programs)?,
            links: &self.links & &ids::all(Ids::Links)?,
            maps: &self.maps & &ids::all(Ids::Maps)?,
        })
    }

    /// Waits until none is left: the kernel frees programs after a grace period.
    pub fn wait_until_gone(&self) -> Result<()> {
        let gone = || Ok(self.alive()?.is_empty().then_some(()));
        proc::until(patience(), gone).with_context(|| {
            let alive = self.alive().unwrap_or_default();
            format!("still in the kernel: {alive:?}, maps {:?}, held by {:?}", alive.names(), alive.holders())
        })
    }

    /// What the maps are called.
    fn names(&self) -> Vec<String> {
        let known = self.maps.iter().filter_map(|id| MapInfo::from_id(*id).ok());
        known.map(|map| format!("{} {}", map.id(), map.name_as_str().unwrap_or("?"))).collect()
    }

    /// Processes that hold any of them, with their command lines.
    fn holders(&self) -> Vec<String> {
        let holds = |pid: &u32| held_by(*pid).is_ok_and(|held| !held.maps.is_disjoint(&self.maps));
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(holds);
        pids.map(|pid: u32| format!("{pid} {:?}", fs::read_to_string(format!("/proc/{pid}/cmdline"))))
            .collect()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, info: &str) {
        let id =
            |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u32>().ok());
        // A link's entry names its program too; a program's entry has no link.
        self.programs.extend(id("prog_id:"));
        self.links.extend(id("link_id:"));
        self.maps.extend(id("map_id:"));
    }
}

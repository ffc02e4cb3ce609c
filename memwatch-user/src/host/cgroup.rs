//! The memory cgroup of a process: how much is in use, which limit comes first, and whether an OOM kill was the
//! cgroup's or the host's.
//!
//! Limits of all levels up to the root of the hierarchy bind, and any of them can kill: a pod's as well as the
//! container's. Both versions of cgroups are read; hosts that mount both keep memory in version 1.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

/// The memory cgroup that a process was in when it was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryCgroup {
    files: &'static Files,
    /// Directories from the process's own cgroup up to the root of the mount.
    levels: Vec<PathBuf>,
}

/// Memory of the level whose limit is nearest, or of the process's own cgroup if no level has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CgroupMemory {
    /// In use, bytes: every process of the cgroup and its page cache.
    pub current: u64,
    /// The limit, bytes; `None` if there is none.
    pub max: Option<u64>,
}

/// Whose limit an OOM kill was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OomScope {
    /// A cgroup of the process was full.
    Cgroup,
    /// The host was.
    Host,
}

impl OomScope {
    /// The scope's name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Host => "host",
        }
    }
}

/// What the two versions call the same things.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    current: &'static str,
    max: &'static str,
    /// File and key of the counter of charges that the limit refused; without a key the file is the counter.
    hits: (&'static str, Option<&'static str>),
}

/// `memory.failcnt` also counts what reclaim could satisfy after all: version 1 has nothing more precise.
const V1: Files =
    Files { current: "memory.usage_in_bytes", max: "memory.limit_in_bytes", hits: ("memory.failcnt", None) };
const V2: Files =
    Files { current: "memory.current", max: "memory.max", hits: ("memory.events.local", Some("oom ")) };

/// Version 1 writes "no limit" as the largest count of pages, a little below 2^63 bytes.
const UNLIMITED: u64 = 1 << 62;

impl MemoryCgroup {
    /// Finds it through our own mounts, so that it works for containers seen from the host; `None` if the process is
    /// gone or no mount of ours shows its cgroup.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Self::locate(&text(&format!("/proc/{pid}/cgroup"))?, &text("/proc/self/mountinfo")?)
    }

    fn locate(membership: &str, mountinfo: &str) -> Option<Self> {
        let is_version_1 = path(membership, Some("memory")).is_some();
        let (controller, files) = if is_version_1 { (Some("memory"), &V1) } else { (None, &V2) };
        Some(Self { files, levels: directories(membership, mountinfo, controller)? })
    }

    /// Memory of the level that is nearest to its limit.
    #[must_use]
    pub fn memory(&self) -> Option<CgroupMemory> {
        let all = || self.levels.iter().filter_map(|level| self.level_memory(level));
        let room = |memory: &CgroupMemory| memory.max.map(|max| max.saturating_sub(memory.current));
        all().filter(|memory| memory.max.is_some()).min_by_key(room).or_else(|| all().next())
    }

    /// Whose limit a kill was about, by [`Self::limit_hits`] from before it; `None` if that does not tell.
    ///
    /// The kernel's own `oom_kill` counters do not tell: they count kills for the host's sake too. Version 1 misses hits
    /// when memory and swap have the same limit (measured on 6.18), so that none seen says nothing there.
    #[must_use]
    pub fn oom_scope(&self, hits_before: Option<u64>) -> Option<OomScope> {
        let refused = self.limit_hits()? > hits_before?;
        if refused { Some(OomScope::Cgroup) } else { (*self.files == V2).then_some(OomScope::Host) }
    }

    /// How often a limit of any level refused memory since the cgroups exist.
    #[must_use]
    pub fn limit_hits(&self) -> Option<u64> {
        let (file, key) = self.files.hits;
        let count = |level: &PathBuf| {
            let text = fs::read_to_string(level.join(file)).ok()?;
            let number = match key {
                Some(key) => text.lines().find_map(|line| line.strip_prefix(key))?,
                None => text.trim(),
            };
            number.parse().ok()
        };
        self.levels.iter().filter_map(count).reduce(|a: u64, b| a.saturating_add(b))
    }

    fn level_memory(&self, level: &Path) -> Option<CgroupMemory> {
        let number = |file| fs::read_to_string(level.join(file)).ok()?.trim().parse::<u64>().ok();
        let max = number(self.files.max).filter(|max| *max < UNLIMITED);
        Some(CgroupMemory { current: number(self.files.current)?, max })
    }
}

/// A file of /proc. Names in it need not be UTF-8: of a mount, for one, that has nothing to do with cgroups.
pub(super) fn text(path: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&fs::read(path).ok()?).into_owned())
}

/// The directories of a process's cgroup and of those above it, by its `/proc/PID/cgroup` and our mounts: in version 1's
/// hierarchy of `controller`, or without one in version 2's. `None` if no mount of ours shows them.
pub(super) fn directories(
    membership: &str,
    mountinfo: &str,
    controller: Option<&str>,
) -> Option<Vec<PathBuf>> {
    let path = path(membership, controller)?;
    mountinfo.lines().filter_map(Mount::parse).find_map(|mount| mount.levels(controller, path))
}

/// The cgroup's path within its hierarchy.
fn path<'a>(membership: &'a str, controller: Option<&str>) -> Option<&'a str> {
    membership.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let is_it = controller.map_or(controllers.is_empty(), |one| controllers.split(',').any(|c| c == one));
        is_it.then_some(path)
    })
}

/// A line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    fs_type: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let mut kind = kind.split(' ');
        let (fs_type, options) = (kind.next()?, kind.nth(1)?);
        Some(Self { root, point, fs_type, options })
    }

    /// The directories of a cgroup and of those above it, if this mount shows it. A path with `..` lies outside our
    /// cgroup namespace.
    fn levels(&self, controller: Option<&str>, path: &str) -> Option<Vec<PathBuf>> {
        let fs_type = if controller.is_some() { "cgroup" } else { "cgroup2" };
        let has_it = controller.is_none_or(|one| self.options.split(',').any(|option| option == one));
        let below = Path::new(path).strip_prefix(self.root).ok()?;
        let inside = below.components().all(|part| matches!(part, Component::Normal(_)));
        if self.fs_type != fs_type || !has_it || !inside {
            return None;
        }
        Some(below.ancestors().map(|level| Path::new(self.point).join(level)).collect())
    }
}

#[cfg(test)]
mod tests;

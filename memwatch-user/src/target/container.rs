//! In which container a process runs, and where the memory of its cgroup is accounted.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The cgroup that accounts for the memory of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryCgroup {
    /// File with the bytes in use.
    pub current: PathBuf,
    /// File with the limit: a number, or `max` (cgroup v2), or a number near 2^63 for no limit (v1).
    pub max: PathBuf,
}

/// Id of the container that `pid` runs in: 64 hexadecimal digits, as Docker, containerd, CRI-O and Podman give them.
#[must_use]
pub fn id(pid: u32) -> Option<String> {
    container_id(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?).map(str::to_owned)
}

/// Where the memory of `pid`'s cgroup is accounted, if such files exist here.
#[must_use]
pub fn memory_cgroup(pid: u32) -> Option<MemoryCgroup> {
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    candidates(&cgroups, &mounts).into_iter().find(|cgroup| cgroup.current.exists())
}

/// `docker-<id>.scope`, `cri-containerd-<id>.scope`, `crio-<id>.scope`, `libpod-<id>`, `/docker/<id>`, `/kubepods/…/<id>`,
/// `kubepods-…:cri-containerd:<id>`: the innermost path component that ends with an id.
fn container_id(cgroups: &str) -> Option<&str> {
    cgroups.lines().filter_map(path_of).find_map(|path| path.rsplit('/').find_map(id_in_component))
}

fn id_in_component(component: &str) -> Option<&str> {
    let component = component.strip_suffix(".scope").unwrap_or(component);
    let id = component.rsplit(['-', ':']).next()?;
    (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// `hierarchy:controllers:path`; the path may hold colons.
fn path_of(line: &str) -> Option<&str> {
    line.splitn(3, ':').nth(2)
}

/// A v1 memory controller goes first: where there is one the v2 hierarchy has none.
fn candidates(cgroups: &str, mounts: &str) -> Vec<MemoryCgroup> {
    let path = |wanted: fn(&str) -> bool| {
        cgroups.lines().find(|line| line.split(':').nth(1).is_some_and(wanted)).and_then(path_of)
    };
    let v1 = path(|controllers| controllers.split(',').any(|name| name == "memory"));
    let v2 = path(str::is_empty);
    let v1 = v1.and_then(|path| {
        directory(mounts, path, |kind, options| {
            kind == "cgroup" && options.split(',').any(|name| name == "memory")
        })
    });
    let v2 = v2.and_then(|path| directory(mounts, path, |kind, _| kind == "cgroup2"));
    let files = |directory: PathBuf, current: &str, max: &str| MemoryCgroup {
        current: directory.join(current),
        max: directory.join(max),
    };
    let v1 = v1.map(|directory| files(directory, "memory.usage_in_bytes", "memory.limit_in_bytes"));
    let v2 = v2.map(|directory| files(directory, "memory.current", "memory.max"));
    v1.into_iter().chain(v2).collect()
}

/// Directory of the cgroup `path` in the mounted hierarchy that is `wanted` (proc_pid_mountinfo(5)).
fn directory(mounts: &str, path: &str, wanted: impl Fn(&str, &str) -> bool) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        let mut tail = tail.split(' ');
        if !wanted(tail.next()?, tail.nth(1)?) {
            return None;
        }
        let mut head = head.split(' ').skip(3);
        let (root, mount) = (head.next()?, head.next()?);
        let inside = Path::new(path).strip_prefix(root).ok()?;
        Some(Path::new(mount).join(inside))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn ids_of_every_runtime_are_found() {
        for pattern in [
            "0::/system.slice/docker-ID.scope",
            "12:memory:/docker/ID\n0::/docker/ID",
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podX.slice/cri-containerd-ID.scope",
            "0::/kubepods.slice/kubepods-podX.slice/crio-ID.scope/container",
            "0::/machine.slice/libpod-ID.scope/container",
            "4:memory:/libpod_parent/libpod-ID",
            "0::/system.slice/kubepods-besteffort-podX.slice:cri-containerd:ID",
        ] {
            let text = pattern.replace("ID", ID);
            assert_eq!(container_id(&text), Some(ID), "{pattern}");
        }
        for text in ["0::/user.slice/user-0.slice/session-1.scope", "0::/", "", "0::/docker/0123"] {
            assert_eq!(container_id(text), None, "{text}");
        }
    }

    #[test]
    fn the_memory_of_a_cgroup_is_found_below_its_mount() {
        let v1 = "35 30 0:31 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory";
        let v2 = "40 30 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
        let part = "41 30 0:27 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        for (cgroups, mounts, expected) in [
            ("0::/a/b", v2, Some("/sys/fs/cgroup/a/b/memory.current")),
            ("0::/", v2, Some("/sys/fs/cgroup/memory.current")),
            ("9:memory:/m\n0::/u", v1, Some("/sys/fs/cgroup/memory/m/memory.usage_in_bytes")),
            ("0::/docker/x/y", part, Some("/sys/fs/cgroup/y/memory.current")),
            ("0::/elsewhere", part, None),
            ("8:cpu:/m", v1, None),
        ] {
            let first = candidates(cgroups, mounts).into_iter().next().map(|cgroup| cgroup.current);
            assert_eq!(first, expected.map(PathBuf::from), "{cgroups}");
        }
    }
}

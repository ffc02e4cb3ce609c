//! Cgroups laid out in a directory of our own.

use std::process;

use super::*;

const HYBRID_MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:3 - cgroup cgroup rw,cpu
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:4 master:2 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
const UNIFIED_MOUNTS: &str =
    "26 23 0:24 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
/// What a container sees that keeps the host's cgroup namespace.
const BOUND_MOUNTS: &str = "26 23 0:24 /pod/app /sys/fs/cgroup ro - cgroup2 cgroup rw\n";

fn levels(membership: &str, mountinfo: &str) -> Vec<String> {
    let found = MemoryCgroup::locate(membership, mountinfo);
    found.map_or(Vec::new(), |found| found.levels.iter().map(|level| level.display().to_string()).collect())
}

#[test]
fn the_directories_of_a_process() {
    let own = "/sys/fs/cgroup";
    let cases: [(&str, &str, &[&str]); 7] = [
        ("4:cpu,memory:/api/x\n0::/\n", HYBRID_MOUNTS, &["memory/api/x", "memory/api", "memory/"]),
        ("0::/a.slice/b:c.scope\n", UNIFIED_MOUNTS, &["a.slice/b:c.scope", "a.slice", ""]),
        ("0::/\n", UNIFIED_MOUNTS, &[""]),
        ("0::/pod/app/worker\n", BOUND_MOUNTS, &["worker", ""]),
        ("0::/pod/other\n", BOUND_MOUNTS, &[]),
        ("0::/../../elsewhere\n", UNIFIED_MOUNTS, &[]),
        ("garbage\n", UNIFIED_MOUNTS, &[]),
    ];
    for (membership, mountinfo, expected) in cases {
        let expected: Vec<String> = expected.iter().map(|level| format!("{own}/{level}")).collect();
        assert_eq!(levels(membership, mountinfo), expected, "{membership:?}");
    }
}

/// Writes the files of the levels, own first, and looks at them.
fn cgroup(name: &str, files: &'static Files, contents: &[&[(&str, &str)]]) -> MemoryCgroup {
    let root = std::env::temp_dir().join(format!("memwatch-cgroup-{name}-{}", process::id()));
    let write = |(depth, files): (usize, &&[(&str, &str)])| {
        let level = root.join(depth.to_string());
        fs::create_dir_all(&level).unwrap();
        for (file, text) in *files {
            fs::write(level.join(file), text).unwrap();
        }
        level
    };
    MemoryCgroup { files, levels: contents.iter().enumerate().map(write).collect() }
}

fn remove(cgroup: &MemoryCgroup) {
    fs::remove_dir_all(cgroup.levels[0].parent().unwrap()).unwrap();
}

#[test]
fn the_nearest_limit_of_any_level_counts() {
    let own: &[_] = &[("memory.current", "100\n"), ("memory.max", "max\n")];
    let pod: &[_] = &[("memory.current", "900\n"), ("memory.max", "1000\n")];
    let slice: &[_] = &[("memory.current", "1500\n"), ("memory.max", "4000\n")];
    let cases: [(&[&[_]], _); 4] = [
        (&[own, pod, slice, &[]], Some(CgroupMemory { current: 900, max: Some(1000) })),
        (&[own, slice, &[]], Some(CgroupMemory { current: 1500, max: Some(4000) })),
        (&[own, &[]], Some(CgroupMemory { current: 100, max: None })),
        (&[&[], &[]], None),
    ];
    for (contents, memory) in cases {
        let cgroup = cgroup("limits", &V2, contents);
        assert_eq!(cgroup.memory(), memory);
        remove(&cgroup);
    }
}

#[test]
fn version_1_writes_no_limit_as_a_number() {
    let unlimited = [("memory.usage_in_bytes", "7\n"), ("memory.limit_in_bytes", "9223372036854771712\n")];
    let cgroup = cgroup("v1", &V1, &[&unlimited]);
    assert_eq!(cgroup.memory(), Some(CgroupMemory { current: 7, max: None }));
    assert_eq!(cgroup.limit_hits(), None);
    remove(&cgroup);
}

#[test]
fn whose_oom_kill_it_was() {
    let v1: [&[_]; 2] = [&[("memory.failcnt", "3\n")], &[("memory.failcnt", "4\n")]];
    let v2: [&[_]; 2] =
        [&[("memory.events.local", "low 0\nhigh 9\nmax 8\noom 2\noom_kill 1\noom_group_kill 0\n")], &[]];
    let cases = [
        ("hits1", &V1, v1, 7, [Some(OomScope::Cgroup), None, None]),
        ("hits2", &V2, v2, 2, [Some(OomScope::Cgroup), Some(OomScope::Host), None]),
    ];
    for (name, files, contents, hits, scopes) in cases {
        let cgroup = cgroup(name, files, &contents);
        assert_eq!(cgroup.limit_hits(), Some(hits));
        assert_eq!([Some(hits - 1), Some(hits), None].map(|before| cgroup.oom_scope(before)), scopes);
        remove(&cgroup);
    }
}

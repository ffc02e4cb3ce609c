//! What a process may use up: its cgroup's memory, the host's, its descriptors.

use std::fs;

use super::proc;
use crate::{host::cgroup::MemoryCgroup, model::Limits};

/// Bytes that the host has left for programs.
pub(super) fn host_available() -> Option<u64> {
    proc::bytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable")
}

/// Those of a process; the host's are known already.
pub(super) fn read(pid: u32, cgroup: Option<&MemoryCgroup>, host_available: Option<u64>) -> Limits {
    let cgroup = cgroup.and_then(MemoryCgroup::memory);
    Limits {
        cgroup_current: cgroup.map(|memory| memory.current),
        cgroup_max: cgroup.and_then(|memory| memory.max),
        host_available,
        descriptors: proc::text(pid, "limits").and_then(|text| open_files(&text)),
    }
}

/// The soft limit of `/proc/PID/limits`; `None` if there is none.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_descriptors() {
        let cases = [
            (
                "Limit  Soft\nMax open files            1024                 524288               files\n",
                1024,
            ),
            ("Max open files            1048576              1048576              files", 1_048_576),
        ];
        for (text, limit) in cases {
            assert_eq!(open_files(text), Some(limit));
        }
        for none in
            ["Max open files            unlimited            unlimited            files", "Max op", ""]
        {
            assert_eq!(open_files(none), None, "{none:?}");
        }
    }
}

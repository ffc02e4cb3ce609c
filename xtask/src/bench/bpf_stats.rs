//! How often the kernel ran a process's uprobe programs, and how long: its own statistics, on while this lives.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";
/// `BPF_PROG_TYPE_KPROBE`, which is also that of uprobes.
const PROBE: u64 = 2;

/// The statistics are on; put back as they were when dropped.
pub(super) struct BpfStats {
    pid: u32,
    before: String,
}

/// Runs of programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) count: u64,
    pub(super) time_ns: u64,
}

impl BpfStats {
    /// Turns them on, to read those of the programs that `pid` holds; every run of a program then costs some ten nanoseconds more.
    pub(super) fn on(pid: u32) -> Result<Self> {
        let before = fs::read_to_string(SWITCH).with_context(|| format!("cannot read {SWITCH}"))?;
        fs::write(SWITCH, "1").with_context(|| format!("cannot write {SWITCH}"))?;
        Ok(Self { pid, before })
    }

    /// All runs of its uprobe programs while they were on.
    pub(super) fn runs(&self) -> Result<Runs> {
        let mut programs = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{}/fdinfo", self.pid))?.flatten() {
            // A descriptor may be closed meanwhile.
            programs.extend(program(&fs::read_to_string(entry.path()).unwrap_or_default()));
        }
        let count = programs.values().map(|runs| runs.count).sum();
        Ok(Runs { count, time_ns: programs.values().map(|runs| runs.time_ns).sum() })
    }
}

impl Drop for BpfStats {
    fn drop(&mut self) {
        // It was writable a moment ago.
        drop(fs::write(SWITCH, self.before.trim()));
    }
}

/// Id and runs, if it is the description of a uprobe program.
fn program(fdinfo: &str) -> Option<(u64, Runs)> {
    let field = |name: &str| {
        fdinfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse::<u64>().ok())
    };
    (field("prog_type")? == PROBE).then_some(())?;
    Some((field("prog_id")?, Runs { count: field("run_cnt")?, time_ns: field("run_time_ns")? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_from_its_link() {
        let text = "pos:\t0\nprog_type:\t2\nprog_jited:\t1\nprog_id:\t77\nrun_time_ns:\t900\nrun_cnt:\t3\n";
        assert_eq!(program(text), Some((77, Runs { count: 3, time_ns: 900 })));
        assert_eq!(program(&text.replace("prog_type:\t2", "prog_type:\t17")), None);
        assert_eq!(program("link_type:\tperf\nlink_id:\t5\nprog_id:\t77\n"), None);
    }
}

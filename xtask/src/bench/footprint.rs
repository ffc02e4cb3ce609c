//! What a process takes of the machine, as the kernel accounts for it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};

/// `USER_HZ`: the unit of times in /proc/PID/stat, the same on every architecture that Linux runs on today but Alpha.
const TICKS_PER_S: f64 = 100.0;

/// What a process takes at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Footprint {
    /// Resident memory, MiB.
    pub(super) rss_mib: f64,
    /// Of it, what is not of files.
    pub(super) anon_mib: f64,
    /// Memory of the kernel for its eBPF maps (their `memlock`), MiB.
    pub(super) maps_mib: f64,
    pub(super) descriptors: usize,
    pub(super) threads: usize,
}

impl Footprint {
    /// Of that process, now.
    pub(super) fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let count = |what: &str| Ok::<_, anyhow::Error>(fs::read_dir(format!("/proc/{pid}/{what}"))?.count());
        Ok(Self {
            rss_mib: mebibytes(&status, "VmRSS")?,
            anon_mib: mebibytes(&status, "RssAnon")?,
            maps_mib: maps_bytes(pid)? as f64 / 1_048_576.0,
            descriptors: count("fd")?,
            threads: count("task")?,
        })
    }

    /// Resident memory in words, MiB.
    pub(super) fn resident(&self) -> String {
        format!("{:.1}, of which {:.1} are not of files", self.rss_mib, self.anon_mib)
    }
}

/// CPU time of all threads that are alive, to the nanosecond.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64> {
    let mut total = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        // A thread may end meanwhile.
        let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        let nanos = text.split_whitespace().next().and_then(|first| first.parse::<f64>().ok());
        total += nanos.context("no CPU time in schedstat")? * 1e-9;
    }
    Ok(total)
}

/// CPU time of a process with that of its threads that have ended, to the hundredth of a second.
pub(super) fn whole_cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    ticks(&stat).map(|ticks| ticks / TICKS_PER_S).context("no CPU time in stat")
}

/// `utime` and `stime`, the 14th and 15th field; the second, in parentheses, is any text.
fn ticks(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
    Some(fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?)
}

/// A field of /proc/PID/status.
fn mebibytes(status: &str, field: &str) -> Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kibibytes.map(|kib| kib / 1024.0).with_context(|| format!("no {field} in status"))
}

/// Bytes of all maps that a process holds, each counted once.
fn maps_bytes(pid: u32) -> Result<u64> {
    let mut maps = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))?.flatten() {
        // A descriptor may be closed meanwhile.
        maps.extend(map(&fs::read_to_string(entry.path()).unwrap_or_default()));
    }
    let bytes: u64 = maps.values().sum();
    (bytes > 0).then_some(bytes).context("it holds no map")
}

/// Id and size, if it is the description of a map.
fn map(fdinfo: &str) -> Option<(u64, u64)> {
    let field = |name: &str| {
        fdinfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse::<u64>().ok())
    };
    Some((field("map_id")?, field("memlock")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_status() {
        let status = "VmPeak:\t   99 kB\nVmRSS:\t   2048 kB\nRssAnon:\t     512 kB\n";
        assert!((mebibytes(status, "VmRSS").unwrap() - 2.0).abs() < 1e-9);
        assert!(mebibytes(status, "RssFile").is_err());
    }

    #[test]
    fn this_process_has_used_some_time() {
        assert!(cpu_seconds(std::process::id()).unwrap() > 0.0);
        assert!(whole_cpu_seconds(std::process::id()).is_ok());
    }

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 30 12 0 0 20 0 7 0 83376 1441325 8412";
        assert_eq!(ticks(stat), Some(42.0));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn a_map_is_told_from_a_program() {
        assert_eq!(map("pos:\t0\nmap_type:\t1\nmemlock:\t4096\nmap_id:\t9\n"), Some((9, 4096)));
        assert_eq!(map("prog_type:\t2\nmemlock:\t4096\nprog_id:\t7\n"), None);
    }
}

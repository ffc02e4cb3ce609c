//! Memory, threads and open files of a process as the kernel counts them, read from outside. What cannot be read is `None`.

use std::{fs, path::PathBuf};

/// What `/proc/PID/stat` and its neighbours say of a process now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessMemory {
    /// Resident set size, bytes.
    pub rss_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open file descriptors.
    pub fds: Option<u64>,
}

impl ProcessMemory {
    /// Reads them: one small file and one `stat` a call.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let stat = fs::read(proc(pid, "stat")).unwrap_or_default();
        let (threads, rss_pages) = threads_and_rss(&stat).unzip();
        let rss_bytes = rss_pages.map(|pages: u64| pages * rustix::param::page_size() as u64);
        Self { rss_bytes, threads, fds: open_fds(pid) }
    }
}

/// Fields 20 and 24 of `/proc/PID/stat`. The name in field 2 can hold anything, parentheses and newlines too.
fn threads_and_rss(stat: &[u8]) -> Option<(u64, u64)> {
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let fields = str::from_utf8(&stat[after_name..]).ok()?;
    let mut fields = fields.split_ascii_whitespace().skip(20 - 3);
    let threads = fields.next()?.parse().ok()?;
    let rss_pages = fields.nth(24 - 20 - 1)?.parse().ok()?;
    Some((threads, rss_pages))
}

/// The size of `/proc/PID/fd` is the number of its entries from kernel 6.2 and 0 before: then they are counted.
fn open_fds(pid: u32) -> Option<u64> {
    let directory = proc(pid, "fd");
    let size = fs::metadata(&directory).ok()?.len();
    if size > 0 { Some(size) } else { Some(fs::read_dir(directory).ok()?.count() as u64) }
}

fn proc(pid: u32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    const FIELDS_3_ON: &str =
        "S 1 1 1 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 11 0 12345 1000000 4242 18446744073709551615";

    #[test]
    fn names_cannot_shift_the_fields() {
        for name in ["node", "a) S 9 9", "((", "tab\tnew\nline", ""] {
            let stat = format!("77 ({name}) {FIELDS_3_ON}");
            assert_eq!(threads_and_rss(stat.as_bytes()), Some((11, 4242)), "{name:?}");
        }
        for bad in ["", "77 (node", "77 (node) S 1 2", "77 (node) \u{fffd}"] {
            assert_eq!(threads_and_rss(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(threads_and_rss(b"1 (x\xff) S \xff"), None);
    }

    #[test]
    fn ourselves() {
        let pid = process::id();
        let files: Vec<_> = (0..10).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let memory = ProcessMemory::of(pid);
        assert!(memory.rss_bytes.unwrap() > 1 << 20);
        assert!(memory.threads.unwrap() >= 1);
        assert!(memory.fds.unwrap() > files.len() as u64);
    }

    #[test]
    fn no_such_process() {
        assert_eq!(ProcessMemory::of(u32::MAX), ProcessMemory::default());
    }
}

//! Whether we have the memory that a take and its graph need.

use std::fs;

use super::{TakeError, copied::Page};
use crate::host::cgroup::MemoryCgroup;

/// Bytes of an object on average, as low as was seen: 6.2 million objects in a heap of 344 MB have 55, a heap of nothing but
/// small ones 40.
const BYTES_AN_OBJECT: u64 = 40;
/// Bytes of a graph for each object.
const GRAPH_AN_OBJECT: u64 = 24;
/// What else there is: stacks, names, the process itself.
const BESIDE: u64 = 32 << 20;

/// Bytes that a take of `pages` and its graph need at most.
pub(super) fn needed(pages: &[Page]) -> u64 {
    let bytes: u64 = pages.iter().map(Page::bytes).sum();
    bytes + later(bytes) + bytes / BYTES_AN_OBJECT * GRAPH_AN_OBJECT + BESIDE
}

/// Bytes of pages that may come while others are being copied.
pub(super) fn later(bytes: u64) -> u64 {
    (bytes / 16).max(8 << 20)
}

/// An error if that is more than `most` bytes, or if there are not so many on this host and in our cgroup.
pub(super) fn check(needed: u64, most: u64) -> Result<(), TakeError> {
    let available = available().unwrap_or(u64::MAX).min(most);
    if available < needed { Err(TakeError::TooLittleMemory { needed, available }) } else { Ok(()) }
}

/// Bytes that we can have without anybody being short of memory; `None` if the kernel does not say.
pub(crate) fn available() -> Option<u64> {
    let host = fs::read_to_string("/proc/meminfo").ok().and_then(|text| of_host(&text));
    let cgroup = MemoryCgroup::of(std::process::id()).and_then(|cgroup| cgroup.memory());
    let cgroup = cgroup.and_then(|memory| Some(memory.max?.saturating_sub(memory.current)));
    [host, cgroup].into_iter().flatten().min()
}

fn of_host(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_says_what_is_available() {
        assert_eq!(of_host("MemTotal: 8 kB\nMemAvailable:   4000 kB\n"), Some(4_096_000));
        assert_eq!(of_host("MemTotal: 8 kB\n"), None);
        assert!(check(1, u64::MAX).is_ok());
        assert!(matches!(check(2, 1), Err(TakeError::TooLittleMemory { needed: 2, available: 1 })));
        assert!(matches!(check(u64::MAX, u64::MAX - 1), Err(TakeError::TooLittleMemory { .. })));
    }
}

//! Whether we have the memory that a take and its graph need.

use super::{TakeError, copied::Page};
use crate::{host::cgroup::MemoryCgroup, sample};

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
    let host = sample::host_available();
    let cgroup = MemoryCgroup::of(std::process::id()).and_then(|cgroup| cgroup.memory());
    let cgroup = cgroup.and_then(|memory| Some(memory.max?.saturating_sub(memory.current)));
    [host, cgroup].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_there_is_nor_than_is_allowed() {
        assert!(available().is_some_and(|bytes| bytes > 0));
        assert!(check(1, u64::MAX).is_ok());
        assert!(matches!(check(2, 1), Err(TakeError::TooLittleMemory { needed: 2, available: 1 })));
        assert!(matches!(check(u64::MAX, u64::MAX - 1), Err(TakeError::TooLittleMemory { .. })));
    }
}

//! glibc: what proves that a block was freed.
//!
//! From the source of glibc (`malloc/malloc.c`): the size word right before a block, the next chunk's `PREV_INUSE` bit, and
//! the links that free blocks hold in their first sixteen bytes.

use super::{Bytes, word};

/// Flags in a size word.
const FLAGS: u64 = 7;
/// The chunk before is in use.
const PREV_INUSE: u64 = 1;
/// The chunk has a mapping of its own.
const IS_MMAPPED: u64 = 2;
/// The largest block that `free` puts on a singly linked list (`tcache`).
const MOST_LINKED: u64 = 1032;

/// Whether `now` proves that the block at `address`, which had `size` usable bytes when it was handed out, has been freed.
/// `next_word` is the size word of the chunk behind it, `is_heap` whether an address is of the allocator.
pub(super) fn is_freed(
    address: u64,
    size: u64,
    now: &Bytes,
    next_word: Option<u64>,
    is_heap: impl Fn(u64) -> bool,
) -> bool {
    let size_word = word(now, 0);
    if usable(size_word) != size {
        return true;
    }
    let is_mmapped = size_word & IS_MMAPPED != 0;
    let is_before_free = next_word.is_some_and(|word| word & PREV_INUSE == 0);
    let is_linked = || size <= MOST_LINKED && is_link(address, word(now, 8), is_heap);
    !is_mmapped && (is_before_free || is_linked())
}

/// Where the size word of the chunk behind a block is.
pub(super) fn next_word_at(address: u64, size: u64) -> u64 {
    address.wrapping_add(size)
}

/// Usable bytes by a size word: a chunk lends its neighbour's first word.
fn usable(size_word: u64) -> u64 {
    let overhead = if size_word & IS_MMAPPED == 0 { 8 } else { 16 };
    (size_word & !FLAGS).wrapping_sub(overhead)
}

/// Links are stored xor the address that they are stored at, shifted (2.32 on: `PROTECT_PTR`); the last one is null. Wrong
/// for a block that is there once in about 15 800 (measured).
fn is_link(address: u64, word: u64, is_heap: impl Fn(u64) -> bool) -> bool {
    let link = word ^ (address >> 12);
    link == 0 || link.is_multiple_of(16) && is_heap(link)
}

#[cfg(test)]
mod tests {
    use super::{super::LOOK_BYTES, *};

    const AT: u64 = 0x5555_0000_1010;
    const IN_USE: u64 = 0x71;

    fn bytes(size_word: u64, words: [u64; 2]) -> Bytes {
        let mut bytes = [0xaa; LOOK_BYTES];
        bytes[..8].copy_from_slice(&size_word.to_le_bytes());
        bytes[8..16].copy_from_slice(&words[0].to_le_bytes());
        bytes[16..24].copy_from_slice(&words[1].to_le_bytes());
        bytes
    }

    #[test]
    fn each_trace_of_free_is_seen() {
        let is_heap = |address: u64| (0x5555_0000_0000..0x5555_1000_0000).contains(&address);
        let link = |to: u64| to ^ (AT >> 12);
        for (what, now, next, expected) in [
            ("nothing", bytes(IN_USE, [11, 22]), Some(0x31), false),
            ("the chunk before it was freed", bytes(IN_USE & !1, [11, 22]), Some(0x31), false),
            ("recycled at another size", bytes(0x91, [11, 22]), Some(0x31), true),
            ("in a bin", bytes(IN_USE, [11, 22]), Some(0x30), true),
            ("last of a thread's list", bytes(IN_USE, [link(0), 99]), Some(0x31), true),
            ("on a thread's list", bytes(IN_USE, [link(0x5555_0000_2020), 99]), Some(0x31), true),
            ("no link: misaligned", bytes(IN_USE, [link(0x5555_0000_2021), 22]), Some(0x31), false),
            ("no link: elsewhere", bytes(IN_USE, [link(0x7777_0000_2020), 22]), Some(0x31), false),
        ] {
            assert_eq!(is_freed(AT, 0x68, &now, next, is_heap), expected, "{what}");
        }
    }

    #[test]
    fn a_mapping_of_its_own_has_no_neighbour_and_no_link() {
        let size_word = 0x50_000 | IS_MMAPPED;
        let now = bytes(size_word, [AT >> 12, 0]);
        assert!(!is_freed(AT, 0x50_000 - 16, &now, Some(0), |_| true));
    }

    #[test]
    fn large_blocks_are_on_no_singly_linked_list() {
        let now = bytes(0x1011, [AT >> 12, 0]);
        assert!(!is_freed(AT, 0x1008, &now, Some(1), |_| true));
    }
}

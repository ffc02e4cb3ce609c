//! mimalloc and gperftools' tcmalloc: `free` writes a link of a free list over the first word, and nothing else.
//!
//! mimalloc 2.0.9 and gperftools 2.10: in 2 000 freed blocks each (24 to 20 000 bytes) the first word was the bare address of
//! another of its size, or null. Later gperftools combine it with the block's own address (`src/linked_list.h`,
//! `PROTECT_PTR`). A program's own list looks the same, so that such a word proves nothing; any other proves that the block
//! is none of a free list.

use super::{Bytes, HEADER, word};

/// By how much the block's address is shifted before it is combined: not at all (`None`), or by the size of tcmalloc's pages,
/// 4 KiB to 256 KiB (`src/common.h`, `kPageShift`).
const SHIFTS: [Option<u32>; 8] = [None, Some(12), Some(13), Some(14), Some(15), Some(16), Some(17), Some(18)];
/// tcmalloc gives larger blocks back to its page heap and writes nothing to them (`src/common.h`, `kMaxSize`).
const MOST_LINKED: u64 = 256 << 10;
/// Blocks begin at multiples of at least so many bytes.
const ALIGNMENT: u64 = 8;

/// Whether the block at `address`, which had `size` bytes, may have been freed by what `now` shows.
pub(super) fn may_be_freed(address: u64, size: u64, now: &Bytes, is_heap: impl Fn(u64) -> bool) -> bool {
    let first = word(now, HEADER);
    let is_link = |shift: Option<u32>| {
        let to = shift.map_or(first, |shift| first ^ (address >> shift));
        to == 0 || to.is_multiple_of(ALIGNMENT) && is_heap(to)
    };
    size > MOST_LINKED || SHIFTS.into_iter().any(is_link)
}

#[cfg(test)]
mod tests {
    use super::{super::LOOK_BYTES, *};

    const AT: u64 = 0x7f00_0000_4000;

    fn begins_with(first: u64) -> Bytes {
        let mut bytes = [0xaa; LOOK_BYTES];
        bytes[HEADER..HEADER + 8].copy_from_slice(&first.to_le_bytes());
        bytes
    }

    #[test]
    fn only_what_can_be_no_link_is_proof() {
        let is_heap = |address: u64| (0x7f00_0000_0000..0x7f00_1000_0000).contains(&address);
        for (what, size, first, expected) in [
            ("a number", 100, 0x2a_0000_0001, false),
            ("a table of functions", 100, 0x5555_0000_1000, false),
            ("a misaligned address", 100, AT + 0x101, false),
            ("the end of a list", 100, 0, true),
            ("another block", 100, AT + 0x100, true),
            ("another block, protected", 100, (AT + 0x100) ^ (AT >> 13), true),
            ("the end of a list, protected", 100, AT >> 13, true),
            ("a number in a large block", 300 << 10, 0x2a_0000_0001, true),
        ] {
            assert_eq!(may_be_freed(AT, size, &begins_with(first), is_heap), expected, "{what}");
        }
    }
}

//! musl's `mallocng`: what proves that a block was freed.
//!
//! From the source of musl 1.2.1 to 1.2.6 (`src/malloc/mallocng/meta.h`, `free.c`): four bytes before each block tell its place
//! in a group of slots, and the group's books which slots are free. `free` itself asks all that is asked here (`get_meta`), and
//! ends the process where it is not so.

use super::{Bytes, HEADER, word};

/// Slots begin at multiples of so many bytes (`UNIT`), which a group's header has as well.
const UNIT: u64 = 16;
/// Where a block's slot is kept: its index in the lower five bits, bytes that are left over in the upper three.
const INDEX_AT: usize = HEADER - 3;
/// `free` sets all bits; a slot that blocks of others are made in has 6 or 7 in the upper three, a block at most 5.
const MOST_LEFT_OVER: u8 = 5;
/// Offsets in `struct meta`, the books of a group: its memory, both masks of free slots, the index of its last slot.
const MEM: u64 = 16;
const MASKS: u64 = 24;
const LAST_INDEX: u64 = 32;

/// Whether `now` and the books that `word_at` reads prove that the block at `address` is none.
pub(super) fn is_freed(address: u64, now: &Bytes, word_at: impl Fn(u64) -> Option<u64>) -> bool {
    let index = now[INDEX_AT] & 31;
    if now[INDEX_AT] >> 5 > MOST_LEFT_OVER {
        return true;
    }
    let is_there = || {
        let group = address.checked_sub(UNIT * (offset(now)? + 1))?;
        let books = word_at(group)?;
        let masks = word_at(books.checked_add(MASKS)?)?;
        let free = (masks | masks >> 32) >> index & 1;
        let last = word_at(books.checked_add(LAST_INDEX)?)? & 31;
        let is_its = word_at(books.checked_add(MEM)?)? == group;
        Some(is_its && u64::from(index) <= last && free == 0)
    };
    is_there() != Some(true)
}

/// Units from the first slot of the group to the block; a large one does not fit into the two bytes before the block.
fn offset(now: &Bytes) -> Option<u64> {
    let header = word(now, 0);
    let (large, small) = (header & 0xffff_ffff, header >> 48);
    match now[HEADER - 4] {
        0 => Some(small),
        _ => (small == 0).then_some(large),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::LOOK_BYTES, *};

    const GROUP: u64 = 0x7000_0000_0000;
    const BOOKS: u64 = 0x5555_0000_0050;
    /// The third slot of 48 bytes.
    const AT: u64 = GROUP + 16 + 2 * 48;

    /// Eight bytes before a block: four that are the block's or not used, the flag, the index, the offset.
    fn look(large: u32, flag: u8, index: u8, offset: u16) -> Bytes {
        let mut bytes = [0xaa; LOOK_BYTES];
        bytes[..4].copy_from_slice(&large.to_le_bytes());
        (bytes[4], bytes[5]) = (flag, index);
        bytes[6..8].copy_from_slice(&offset.to_le_bytes());
        bytes
    }

    /// A group's books: its memory, slots that are free, those freed, the last one's index.
    fn books(mem: u64, free: u32, freed: u32, last: u64) -> impl Fn(u64) -> Option<u64> {
        move |address| match address.wrapping_sub(BOOKS) {
            MEM => Some(mem),
            MASKS => Some(u64::from(freed) << 32 | u64::from(free)),
            LAST_INDEX => Some(last | 1 << 5 | 7 << 6),
            _ => (address == GROUP).then_some(BOOKS),
        }
    }

    #[test]
    fn each_trace_of_free_is_seen() {
        let there = look(9, 0, 2 | 3 << 5, 6);
        for (what, now, books, expected) in [
            ("nothing", there, books(GROUP, 0b1000, 0b0001, 4), false),
            ("as `free` leaves it", look(9, 0, 255, 0), books(GROUP, 0, 0b100, 4), true),
            ("others' blocks are made in it", look(9, 0, 2 | 6 << 5, 6), books(GROUP, 0, 0, 4), true),
            ("its slot is free", there, books(GROUP, 0b100, 0, 4), true),
            ("its slot was freed", there, books(GROUP, 0, 0b100, 4), true),
            ("its group has fewer slots", there, books(GROUP, 0, 0, 1), true),
            ("its group's books are another's", there, books(GROUP + 4096, 0, 0, 4), true),
            ("where its group was is something else", look(9, 0, 2, 7), books(GROUP, 0, 0, 4), true),
            ("far into its group", look(6, 1, 2, 0), books(GROUP, 0, 0, 4), false),
            ("two offsets", look(6, 1, 2, 6), books(GROUP, 0, 0, 4), true),
        ] {
            assert_eq!(is_freed(AT, &now, books), expected, "{what}");
        }
    }
}

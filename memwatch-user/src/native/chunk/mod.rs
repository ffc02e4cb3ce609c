//! Is a block still there? What one look at it from outside proves.
//!
//! Allocators leave traces of `free` before a block and in it; each knows its own. Beyond those, a block that is as it was is
//! taken to be there, as `free` and whoever has it next overwrite its beginning.

mod glibc;
mod linked;
mod musl;

use super::memory::Memory;
use crate::plan::malloc::Marks;

/// Bytes before a block that one look reads: the header that glibc and musl have there.
const HEADER: usize = 8;
/// Bytes of the block itself that are compared. `free` writes to the first sixteen; more of them tell a block from another
/// of the same kind that has its place, and what is forgotten does not change.
const COMPARED: usize = 64;
const LOOK_BYTES: usize = HEADER + COMPARED;

/// One look at a block: its header, and what it begins with; zeros behind a smaller block's end.
pub(super) type Bytes = [u8; LOOK_BYTES];

/// What a look proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It was freed.
    Freed,
    /// Its bytes are others than they were, or would be the same if it were freed. `free` overwrites the first sixteen; so may
    /// the program, or whoever has it next.
    Changed,
    /// It is as it was.
    Unchanged,
}

/// Looks at the block at `address` that had `size` bytes when it was handed out. Instead of its bytes: that it was freed,
/// as nothing is mapped there any more or the bytes prove it; or that nothing can be told from them.
pub(super) fn read(marks: Marks, memory: &Memory, address: u64, size: u64) -> Result<Bytes, Look> {
    let mut now = [0; LOOK_BYTES];
    // What is behind a block may be another mapping, or none.
    let block = COMPARED.min(usize::try_from(size).unwrap_or(COMPARED));
    if !memory.read(address.wrapping_sub(HEADER as u64), &mut now[..HEADER + block]) {
        return Err(Look::Freed);
    }
    let is_freed = match marks {
        Marks::Glibc => {
            let next = memory.word(glibc::next_word_at(address, size));
            glibc::is_freed(address, size, &now, next, |address| memory.is_heap(address))
        }
        Marks::Musl => musl::is_freed(address, &now, |address| memory.word(address)),
        Marks::Linked if linked::may_be_freed(address, size, &now, |address| memory.is_heap(address)) => {
            return Err(Look::Changed);
        }
        Marks::Linked => false,
    };
    if is_freed { Err(Look::Freed) } else { Ok(now) }
}

/// Whether a block that is not proven freed is as it was.
pub(super) fn compare(now: &Bytes, first: Option<&Bytes>) -> Look {
    match first {
        Some(first) if first[HEADER..] != now[HEADER..] => Look::Changed,
        _ => Look::Unchanged,
    }
}

fn word(bytes: &Bytes, at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_the_block_is_compared() {
        let first = [7; LOOK_BYTES];
        let (mut header, mut block) = (first, first);
        header[0] = 8;
        block[LOOK_BYTES - 1] = 8;
        for (now, first, expected) in [
            (first, None, Look::Unchanged),
            (first, Some(&first), Look::Unchanged),
            (header, Some(&first), Look::Unchanged),
            (block, Some(&first), Look::Changed),
        ] {
            assert_eq!(compare(&now, first), expected);
        }
    }
}

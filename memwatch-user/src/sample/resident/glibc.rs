//! What glibc's allocator leaves at the begin of memory that it maps: by it, its memory is known.

use crate::v8::page::Words;

/// An arena's memory begins at a multiple of this (`HEAP_MAX_SIZE` of malloc/arena.c on 64 bits).
pub(super) const ARENA_ALIGNMENT: u64 = 64 << 20;

/// `struct heap_info` has four words to glibc 2.34 and six after it, and the first heap's arena comes right behind it.
const HEAP_INFO: [u64; 2] = [0x20, 0x30];

/// Flag of a chunk's size: it has a mapping of its own (`IS_MMAPPED`).
const MAPPED: u64 = 2;

/// The flags of a chunk's size.
const FLAGS: u64 = 7;

/// Flag of a chunk's size: the chunk before it is in use; otherwise the word before the size is that chunk's size.
const BEFORE_IN_USE: u64 = 1;

/// Chunks in a row that prove a heap; each has a size that leads to the next.
const PROOF: u32 = 8;

/// The same where a chunk's begin is not in memory.
const LEAST: u32 = 2;

const PAGE: u64 = 4096;

/// Bytes of an arena's heap in use, readable and writable, from its `heap_info`: `ar_ptr, prev, size, mprotect_size`.
pub(super) fn arena(address: u64, words: &[u64]) -> Option<u64> {
    let &[arena, _, size, accessible, ..] = words else { return None };
    let is_arena = address.is_multiple_of(ARENA_ALIGNMENT) && HEAP_INFO.contains(&(arena % ARENA_ALIGNMENT));
    let are_sizes = is_size(size) && is_size(accessible) && size <= accessible;
    (is_arena && are_sizes && accessible <= ARENA_ALIGNMENT).then_some(accessible)
}

/// Bytes of a block that has a mapping of its own, from its chunk's header: `prev_size, size | IS_MMAPPED`. Before the
/// first chunk there is nothing but what alignment leaves over.
pub(super) fn mapped_block(words: &[u64]) -> Option<u64> {
    let &[before, size, ..] = words else { return None };
    let bytes = size & !FLAGS;
    (before < PAGE && size & FLAGS == MAPPED && is_size(bytes)).then_some(bytes)
}

/// Whether memory from `start` on is the main arena's, as it continues where `brk` finds another mapping in its way (V8's
/// pages are anywhere): chunks from the first byte on, without any header before them.
pub(super) fn is_heap(start: u64, end: u64, read: impl Fn(u64) -> Option<Words>) -> bool {
    let (mut at, mut before) = (start, 0);
    for chunks in 0..PROOF {
        if chunks > 0 && at == end {
            return true;
        }
        let Some([size_before, size, ..]) = read(at) else { return chunks >= LEAST };
        let bytes = size & !FLAGS;
        let follows = match (chunks, size & BEFORE_IN_USE) {
            (0, in_use) => in_use != 0 && size_before == 0,
            (_, in_use) => in_use != 0 || size_before == before,
        };
        let is_chunk = size & (FLAGS - BEFORE_IN_USE) == 0 && bytes >= 16 && bytes.is_multiple_of(16);
        if !is_chunk || !follows || bytes > end - at {
            return false;
        }
        (at, before) = (at + bytes, bytes);
    }
    true
}

const fn is_size(bytes: u64) -> bool {
    bytes > 0 && bytes.is_multiple_of(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arenas() {
        let at = 0x7f59_9400_0000;
        let cases = [
            (at, [at + 0x30, 0, 0x64_6000, 0x64_6000], Some(0x64_6000)),
            (at, [at - ARENA_ALIGNMENT + 0x20, 0, 0x1000, 0x2_1000], Some(0x2_1000)),
            (at + PAGE, [at + 0x30, 0, 0x64_6000, 0x64_6000], None),
            (at, [at + 0x38, 0, 0x64_6000, 0x64_6000], None),
            (at, [at + 0x30, 0, 0x64_6000, 0x1000], None),
            (at, [at + 0x30, 0, 0x1001, 0x2_1000], None),
            (at, [at + 0x30, 0, u64::MAX, u64::MAX], None),
            (at, [0; 4], None),
        ];
        for (address, words, size) in cases {
            assert_eq!(arena(address, &words), size, "{words:x?}");
        }
    }

    #[test]
    fn heaps_without_a_header() {
        let heap = |chunks: &[(u64, u64, u64)]| {
            let word = |at| chunks.iter().find(|chunk| chunk.0 == at);
            is_heap(PAGE, 2 * PAGE, |at| {
                let (_, before, size) = word(at)?;
                let mut words = Words::default();
                words[..2].copy_from_slice(&[*before, *size]);
                Some(words)
            })
        };
        let cases: [(&[_], bool); 8] = [
            (&[(0x1000, 0, 0x21), (0x1020, 7, 0x101), (0x1120, 0x100, 0x20)], true),
            (&[(0x1000, 0, 0x1001)], true),
            (&[(0x1000, 0, 0x21), (0x1020, 7, 0x0fe1)], true),
            (&[(0x1000, 0, 0x21)], false),
            (&[(0x1000, 0, 0x21), (0x1020, 7, 0x100)], false),
            (&[(0x1000, 9, 0x21), (0x1020, 7, 0x101), (0x1120, 0, 0x21)], false),
            (&[(0x1000, 0, 0x21), (0x1020, 7, 0x2001), (0x3020, 0, 0x21)], false),
            (&[(0x1000, 0, 1), (0x1001, 0, 0), (0x1002, 0, 0)], false),
        ];
        for (chunks, expected) in cases {
            assert_eq!(heap(chunks), expected, "{chunks:x?}");
        }
        assert!(!is_heap(PAGE, 2 * PAGE, |_| Some([u64::MAX; 16])));
        assert!(!is_heap(PAGE, 2 * PAGE, |_| Some([0; 16])));
    }

    #[test]
    fn blocks_with_a_mapping() {
        for (words, size) in [
            ([0, 0xc80_1002], Some(0xc80_1000)),
            ([0x30, 0x2_1002], Some(0x2_1000)),
            ([0, 0xc80_1003], None),
            ([0, 0xc80_1012], None),
            ([PAGE, 0xc80_1002], None),
            ([0, 2], None),
            ([0, 0], None),
        ] {
            assert_eq!(mapped_block(&words), size, "{words:x?}");
        }
    }
}

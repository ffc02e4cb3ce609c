//! What glibc's allocator leaves at the begin of memory that it maps: by it, its memory is known.

/// An arena's memory begins at a multiple of this (`HEAP_MAX_SIZE` of malloc/arena.c on 64 bits).
pub(super) const ARENA_ALIGNMENT: u64 = 64 << 20;

/// `struct heap_info` has four words to glibc 2.34 and six after it, and the first heap's arena comes right behind it.
const HEAP_INFO: [u64; 2] = [0x20, 0x30];

/// Flag of a chunk's size: it has a mapping of its own (`IS_MMAPPED`).
const MAPPED: u64 = 2;

/// The flags of a chunk's size.
const FLAGS: u64 = 7;

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

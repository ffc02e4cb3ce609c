//! What is known of glibc's allocator: where its structures have which field. All of it is `malloc/malloc.c` and
//! `malloc/arena.c` of glibc 2.28 to 2.41 on 64 bits, and was compared with the debug information of 2.31, 2.36 and 2.41.

use std::ops::RangeInclusive;

/// A release of glibc: 2.36 is (2, 36).
pub(super) type Version = (u32, u32);

/// The releases whose structures these are. Later ones keep their books otherwise.
pub(super) const KNOWN: RangeInclusive<Version> = (2, 28)..=(2, 41);

/// From this release on the links of fastbins are mangled ("safe linking").
pub(super) const SAFE_LINKING: Version = (2, 32);

/// Bytes of `struct malloc_state`, an arena.
pub(super) const ARENA_LEN: usize = 0x898;
/// `malloc_state.mutex`: 0 while nobody changes the arena.
pub(super) const MUTEX: usize = 0;
/// `malloc_state.fastbinsY`.
pub(super) const FASTBINS: usize = 0x10;
/// Elements of `fastbinsY`.
pub(super) const FASTBIN_COUNT: usize = 10;
/// `malloc_state.top`: the chunk at the end, of which the next one is cut if nothing fits.
pub(super) const TOP: usize = 0x60;
/// `malloc_state.bins`: the heads of the doubly linked lists, two words each.
pub(super) const BINS: usize = 0x70;
/// Lists in `bins`: the first is unsorted, those up to [`LAST_SMALL_BIN`] hold one size each.
pub(super) const BIN_COUNT: usize = 127;
/// Number of the last list, counted from 1, whose chunks all have [`MIN_CHUNK`] / 2 times its number bytes.
pub(super) const LAST_SMALL_BIN: usize = 63;
/// `malloc_state.next`: arenas are in a ring.
pub(super) const NEXT: usize = 0x870;
/// `malloc_state.system_mem`: bytes that the arena has from the kernel.
pub(super) const SYSTEM_MEM: usize = 0x888;
/// `malloc_state.max_system_mem`.
pub(super) const MAX_SYSTEM_MEM: usize = 0x890;

/// `malloc_par.max_mmapped_mem`, counted from `mmapped_mem`.
pub(super) const MAX_MMAPPED: u64 = 8;
/// `malloc_par.sbrk_base`, counted from `mmapped_mem`: where the main arena begins.
pub(super) const SBRK_BASE: u64 = 16;

/// `HEAP_MAX_SIZE`: the heaps of all arenas but the main one lie at its multiples and are no longer.
pub(super) const HEAP_MAX: u64 = 64 << 20;
/// Bytes of `heap_info`, at the start of each such heap: until 2.34, and from 2.35 on.
pub(super) const HEAP_INFO_LENS: [u64; 2] = [0x20, 0x30];
/// `heap_info.ar_ptr`: whose heap it is.
pub(super) const HEAP_ARENA: u64 = 0;
/// `heap_info.prev`: the arena's heap before this one, or 0.
pub(super) const HEAP_PREV: u64 = 8;
/// `heap_info.size`: bytes in use of it.
pub(super) const HEAP_SIZE: u64 = 16;

/// `malloc_chunk.mchunk_size`, with three flags in its lowest bits.
pub(super) const CHUNK_SIZE: u64 = 8;
/// `malloc_chunk.fd`, of free chunks only.
pub(super) const CHUNK_FD: u64 = 16;
/// The three flags.
pub(super) const CHUNK_FLAGS: u64 = 7;
/// The flag that the chunk before this one is in use, or in a fastbin or tcache.
pub(super) const PREV_IN_USE: u64 = 1;
/// The smallest chunk.
pub(super) const MIN_CHUNK: u64 = 32;
/// What addresses and sizes of chunks are multiples of.
pub(super) const CHUNK_ALIGN: u64 = 16;

/// Whether a chunk can be at `address`.
pub(super) const fn is_aligned(address: u64) -> bool {
    address != 0 && address.is_multiple_of(CHUNK_ALIGN)
}

//! The pages of V8's heap, as far as they tell what is alive.

/// Pages of V8's heap begin at multiples of this (`kPageSizeBits`).
pub(super) const PAGE: u64 = 1 << 18;
/// `MemoryChunk::FROM_PAGE | TO_PAGE`: a page of the young generation.
pub(super) const YOUNG: u64 = 0x18;
/// `MemoryChunk::INCREMENTAL_MARKING`.
pub(super) const MARKING: u64 = 0x20;
/// How the pages of a process's V8 are laid out. Written by the collector once all probes on it are live; without it nothing is
/// followed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageLayout {
    /// In the header of a page: its flags.
    pub flags: u32,
    /// Its mark bits, from the header or from what the second word of that points to.
    pub marks: u32,
    /// Whether it is the latter: 0 or 1.
    pub marks_are_outside: u32,
    /// Whether the slow path of allocation returns no object, but leaves its address in the linear allocation area: 0 or 1.
    pub made_in_area: u32,
}
const _: () = assert!(size_of::<PageLayout>() == 16);

impl PageLayout {
    #[inline(always)]
    pub(super) fn flags_of(&self, address: u64, read: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        read(page(address).wrapping_add(u64::from(self.flags)))
    }

    /// Whether the mark bit of the object at `address` is set: one bit for a word, from the page's start.
    #[inline(always)]
    pub(super) fn is_marked(&self, address: u64, read: impl Fn(u64) -> Option<u64>) -> Option<bool> {
        let header = page(address);
        let base = if self.marks_are_outside == 0 { header } else { read(header.wrapping_add(8))? };
        let bit = (address & (PAGE - 1)) >> 3;
        let cell = read(base.wrapping_add(u64::from(self.marks)).wrapping_add((bit >> 6) << 3))?;
        Some(cell >> (bit & 63) & 1 != 0)
    }
}

#[inline(always)]
pub(super) const fn page(address: u64) -> u64 {
    address & !(PAGE - 1)
}

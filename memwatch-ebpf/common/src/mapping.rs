//! What crosses the boundary about memory that a process takes from the kernel itself, past its allocator: every change that
//! `mmap`, `munmap` and `mremap` made, in the order in which the calls returned.

use crate::native::StackCopy;

/// Bytes of the ring buffer of these: room for 500 with a stack.
pub const MAPPING_RING_BYTES: u32 = 2 << 20;
/// Threads that can be in `munmap` or `mremap` at once, of all processes that are followed.
pub const MAX_UNMAPPING: u32 = 4096;

/// Codes of [`MappingChange::kind`].
pub mod mapping_kind {
    /// Private anonymous memory was mapped, in place of whatever was there. The record is a [`super::MappingSample`].
    pub const TAKEN: u32 = 0;
    /// Something else was mapped in place of whatever was there.
    pub const COVERED: u32 = 1;
    /// Nothing is mapped there any more.
    pub const GIVEN_BACK: u32 = 2;
    /// What was mapped at the old place is at the new one. The record is a [`super::MappingSample`].
    pub const REMAPPED: u32 = 3;
    /// Likewise, and the old place is mapped still, without its pages (`MREMAP_DONTUNMAP`).
    pub const LEFT_BEHIND: u32 = 4;
}

/// One change that a call made. Lengths are as the caller gave them: the kernel rounds them up to pages.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappingChange {
    /// A [`mapping_kind`].
    pub kind: u32,
    /// The process.
    pub tgid: u32,
    /// `CLOCK_MONOTONIC`, nanoseconds: when the call was entered, if it takes something away; else when it returned. What is
    /// mapped later is not what it took: the kernel gives an address to another thread before this call has returned.
    pub entered_ns: u64,
    /// When it returned.
    pub returned_ns: u64,
    /// First byte of what there is now; of what was there, if it is gone.
    pub address: u64,
    /// Its bytes.
    pub length: u64,
    /// `mremap`: first byte of what there was before.
    pub old_address: u64,
    /// `mremap`: its bytes.
    pub old_length: u64,
}
const _: () = assert!(size_of::<MappingChange>() == 56);

impl MappingChange {
    /// Its words, in the order of the fields.
    #[must_use]
    #[inline(always)]
    pub const fn words(&self) -> [u64; 7] {
        let [k0, k1, k2, k3] = self.kind.to_ne_bytes();
        let [t0, t1, t2, t3] = self.tgid.to_ne_bytes();
        let first = u64::from_ne_bytes([k0, k1, k2, k3, t0, t1, t2, t3]);
        let Self { entered_ns, returned_ns, address, length, old_address, old_length, .. } = *self;
        [first, entered_ns, returned_ns, address, length, old_address, old_length]
    }
}

/// A change that gave the process memory, and who asked for it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingSample {
    /// What changed.
    pub change: MappingChange,
    /// The stack that asked.
    pub copy: StackCopy,
}
const _: () = assert!(size_of::<MappingSample>() == size_of::<MappingChange>() + size_of::<StackCopy>());

//! What the collector tells the kernel side: which processes are targets, and how each attached binary lays out a heap.

use crate::outside::OutsideLayout;

/// Value of the map of targets, keyed by tgid.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Which attachment's probes count for this process, so that nothing is counted twice where one file is known under
    /// several names (containers that share a layer). [`UNCLAIMED`] until the first hit claims it.
    pub attachment: u32,
}
const _: () = assert!(size_of::<Target>() == 4);

/// [`Target::attachment`] of a process that no attachment has claimed yet. Attachments are numbered from 1.
pub const UNCLAIMED: u32 = 0;

/// In [`HeapLayout`]: there is nothing at this place.
pub const NO_OFFSET: u32 = u32::MAX;

/// What is known of how a binary lays out a heap and its isolate. Index of the array is the attachment's number.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapLayout {
    /// Where the heap's limit is.
    pub limit: LimitLayout,
    /// Where the books of what the isolate holds outside of its heap are.
    pub outside: OutsideLayout,
}
const _: () = assert!(size_of::<HeapLayout>() == 56);

impl HeapLayout {
    /// The layout of a binary of which nothing is known.
    pub const UNKNOWN: Self = Self { limit: LimitLayout::UNKNOWN, outside: OutsideLayout::UNKNOWN };
}

/// Where a `v8::internal::Heap` holds the parts of its limit, as decoded from `Heap::MaxReserved` of the same binary.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitLayout {
    /// Offset of the maximal semi-space size; [`NO_OFFSET`] if the limit is not known for this binary.
    pub max_semi_space: u32,
    /// Offset of the maximal old generation size, from the heap or from what `indirect` points at.
    pub max_old_generation: u32,
    /// Offset in the heap of the pointer to the object that holds `max_old_generation` (Node 26); [`NO_OFFSET`] if the
    /// heap holds it itself.
    pub indirect: u32,
    /// Zero.
    pub _pad: u32,
}
const _: () = assert!(size_of::<LimitLayout>() == 16);

impl LimitLayout {
    /// The layout of a binary whose limit is not known.
    pub const UNKNOWN: Self =
        Self { max_semi_space: NO_OFFSET, max_old_generation: NO_OFFSET, indirect: NO_OFFSET, _pad: 0 };
}

/// Offsets in the running kernel's `task_struct`, taken from its BTF: Rust emits no CO-RE relocations.
/// A read-only global of the kernel side; [`NO_OFFSET`] where the kernel has no BTF.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskLayout {
    /// `task_struct::tgid`.
    pub tgid: u32,
    /// `task_struct::exit_code`.
    pub exit_code: u32,
    /// `task_struct::thread.fsbase` (x86-64) or `.thread.uw.tp_value` (64-bit Arm): the thread pointer.
    pub thread_pointer: u32,
}
const _: () = assert!(size_of::<TaskLayout>() == 12);

impl TaskLayout {
    /// The layout on a kernel without BTF.
    pub const UNKNOWN: Self = Self { tgid: NO_OFFSET, exit_code: NO_OFFSET, thread_pointer: NO_OFFSET };
}

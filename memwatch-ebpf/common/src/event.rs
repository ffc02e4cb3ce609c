//! Ring buffer records. Each begins with an [`EventHeader`] whose `kind` names the struct.

use crate::outside::OutsideBytes;

/// What every record begins with.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventHeader {
    /// An [`EventKind`].
    pub kind: u32,
    /// Process id (the kernel's tgid), in the initial pid namespace.
    pub tgid: u32,
    /// Thread id (the kernel's pid), in the initial pid namespace.
    pub tid: u32,
    /// Zero.
    pub _pad: u32,
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub time_ns: u64,
}
const _: () = assert!(size_of::<EventHeader>() == 24);

/// Which record follows an [`EventHeader`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum EventKind {
    /// [`GcEvent`]: a collection has ended.
    Gc = 1,
    /// [`HeapEvent`]: an isolate's heap was set up.
    HeapSetUp = 2,
    /// [`HeapEvent`]: an isolate's heap was torn down.
    HeapTearDown = 3,
    /// [`V8OutOfMemoryEvent`]: V8 is about to abort the process.
    V8OutOfMemory = 4,
    /// [`ProcessEvent`]: a followed process or a target has executed a new program.
    Exec = 5,
    /// [`ProcessEvent`]: a target's main thread has ended; `code` is its wait status.
    Exit = 6,
    /// [`ProcessEvent`]: the kernel's OOM killer chose this process.
    OomKill = 7,
}

impl TryFrom<u32> for EventKind {
    type Error = u32;
    fn try_from(code: u32) -> Result<Self, u32> {
        Ok(match code {
            1 => Self::Gc,
            2 => Self::HeapSetUp,
            3 => Self::HeapTearDown,
            4 => Self::V8OutOfMemory,
            5 => Self::Exec,
            6 => Self::Exit,
            7 => Self::OomKill,
            other => return Err(other),
        })
    }
}

/// Codes of [`GcEvent::kind`]: which collector ran.
pub mod gc_kind {
    /// No collector was entered between start and end.
    pub const NONE: u8 = 0;
    /// `Heap::Scavenge` (or `EvacuateYoungGeneration`, Node 12 to 18).
    pub const SCAVENGE: u8 = 1;
    /// `Heap::MinorMarkCompact` (Node 12 to 20) or `Heap::MinorMarkSweep` (22 on).
    pub const MINOR_MARK: u8 = 2;
    /// `Heap::MarkCompact`.
    pub const MARK_COMPACT: u8 = 3;
}

/// Codes of [`GcEvent::compacted`]: what `MarkCompactCollector::StartCompaction` answered.
pub mod compaction {
    /// It was not asked since the last mark-compact, or before we were attached.
    pub const UNKNOWN: u8 = 0;
    /// No page is being evacuated.
    pub const NO: u8 = 1;
    /// Pages are being evacuated.
    pub const YES: u8 = 2;
}

/// Bits of [`GcEvent::seen`]: which of the fields hold something.
pub mod seen {
    /// `before_bytes`.
    pub const BEFORE: u8 = 1 << 0;
    /// `after_bytes`.
    pub const AFTER: u8 = 1 << 1;
    /// `limit`.
    pub const LIMIT: u8 = 1 << 2;
    /// `outside.array_buffers`.
    pub const ARRAY_BUFFERS: u8 = 1 << 3;
    /// `outside.external`.
    pub const EXTERNAL: u8 = 1 << 4;
}

/// The parts of a heap's limit as its `Heap` object holds them; the collector adds them up.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitParts {
    /// `Heap::max_semi_space_size_`, bytes.
    pub max_semi_space: u64,
    /// The maximal size of the old generation, bytes.
    pub max_old_generation: u64,
}
const _: () = assert!(size_of::<LimitParts>() == 16);

/// One finished collection. The header's time is the end of the pause.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcEvent {
    /// `kind` is [`EventKind::Gc`].
    pub header: EventHeader,
    /// Address of the `v8::internal::Heap`: one an isolate, and only a key.
    pub heap: u64,
    /// Entry of `Heap::CollectGarbage`, `CLOCK_MONOTONIC`, nanoseconds.
    pub start_ns: u64,
    /// `Heap::SizeOfObjects()` before the collector ran.
    pub before_bytes: u64,
    /// `Heap::SizeOfObjects()` after the collector ran.
    pub after_bytes: u64,
    /// The limit in force.
    pub limit: LimitParts,
    /// What the isolate held outside of its heap at the end.
    pub outside: OutsideBytes,
    /// When the incremental marking that this mark-compact ends was started; 0 if there was none or it was not seen.
    pub marking_start_ns: u64,
    /// The stack of JavaScript on which it began: [`crate::stack::StackKey::hash`]; 0 if that is not known.
    pub stack: u64,
    /// V8's `GarbageCollectionReason`.
    pub reason: u8,
    /// V8's reason for starting the incremental marking.
    pub marking_reason: u8,
    /// A [`gc_kind`].
    pub kind: u8,
    /// A [`compaction`].
    pub compacted: u8,
    /// A set of [`seen`] bits.
    pub seen: u8,
    /// Zero.
    pub _pad: [u8; 3],
}
const _: () = assert!(size_of::<GcEvent>() == 112);

/// An isolate's heap came or went.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapEvent {
    /// `kind` is [`EventKind::HeapSetUp`] or [`EventKind::HeapTearDown`].
    pub header: EventHeader,
    /// Address of the `v8::internal::Heap`.
    pub heap: u64,
    /// Its limit; zero where it could not be read.
    pub limit: LimitParts,
}
const _: () = assert!(size_of::<HeapEvent>() == 48);

/// Bytes kept of V8's out-of-memory location, for example `Reached heap limit`.
pub const LOCATION_LEN: usize = 64;

/// `Heap::FatalProcessOutOfMemory` was entered: V8 aborts next.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct V8OutOfMemoryEvent {
    /// `kind` is [`EventKind::V8OutOfMemory`].
    pub header: EventHeader,
    /// Address of the `v8::internal::Heap`.
    pub heap: u64,
    /// V8's words, NUL-terminated unless they fill the array. Bytes of the target: untrusted.
    pub location: [u8; LOCATION_LEN],
}
const _: () = assert!(size_of::<V8OutOfMemoryEvent>() == 96);

/// Something happened to a process as a whole.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessEvent {
    /// `kind` is [`EventKind::Exec`], [`EventKind::Exit`] or [`EventKind::OomKill`].
    pub header: EventHeader,
    /// With [`EventKind::Exit`] the wait status (`task_struct::exit_code`), if `code_known` is 1.
    pub code: u32,
    /// Whether `code` could be read: 0 or 1.
    pub code_known: u32,
}
const _: () = assert!(size_of::<ProcessEvent>() == 32);

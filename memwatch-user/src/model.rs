//! What the stages talk about: processes, isolates, collections. No I/O and no policy.

use std::{fmt, time::Duration};

mod reading;
mod stack;

pub use crate::vocabulary::GcKind;
pub use reading::{Descriptors, Limits, MallocBooks, Reading, Resident};
pub use stack::{Frame, FrameKind, Stack, StackEnd, origin};

/// A process, told apart from a later one with the same pid by when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// Process id (the kernel's tgid) in the initial pid namespace.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: start time in clock ticks since boot.
    pub start_ticks: u64,
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.pid)
    }
}

/// `CLOCK_MONOTONIC`, as the kernel side stamps events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// Time since `earlier`; zero if it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment `by` after this one.
    #[must_use]
    pub fn later(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Seconds since the clock's origin.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// What an isolate holds outside of its heap, by its own books, bytes; `None` is not known. A mark-compact does not lower
/// it at once: V8 frees the buffers that it found dead on another thread, some milliseconds later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutsideHeap {
    /// Array buffers that Node's allocator handed out: `process.memoryUsage().arrayBuffers`.
    pub array_buffers: Option<u64>,
    /// What V8 counts of the memory behind array buffers and external strings: `process.memoryUsage().external`. Not
    /// what addons tell it with `AdjustAmountOfExternalAllocatedMemory`.
    pub external: Option<u64>,
}

/// One finished collection of one isolate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Address of the heap: which isolate, within a process. Never shown.
    pub heap: u64,
    /// The thread that collected.
    pub tid: u32,
    /// When the pause began.
    pub start: Mono,
    /// When the pause ended.
    pub end: Mono,
    /// Which collector ran.
    pub kind: GcKind,
    /// V8's `GarbageCollectionReason`.
    pub reason: u8,
    /// Bytes of objects before; `None` if it was not seen.
    pub before_bytes: Option<u64>,
    /// Bytes of objects after; `None` if it was not seen.
    pub after_bytes: Option<u64>,
    /// The heap's limit at that moment, in its parts; `None` where it is not known.
    pub limit: Option<LimitParts>,
    /// Whether pages were evacuated; `None` unless it is a mark-compact of which that was seen.
    pub compacted: Option<bool>,
    /// When the incremental marking that this collection ends was started.
    pub marking_start: Option<Mono>,
    /// The stack of JavaScript on which it began, as the kernel side tells those of one thread apart; `None` if that is
    /// not known.
    pub stack: Option<u64>,
    /// What the isolate held outside of its heap when the collection ended.
    pub outside: OutsideHeap,
}

impl Collection {
    /// How long JavaScript stood still.
    #[must_use]
    pub fn pause(&self) -> Duration {
        self.end.since(self.start)
    }
}

pub use memwatch_common::event::LimitParts;

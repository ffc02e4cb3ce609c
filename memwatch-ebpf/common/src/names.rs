//! Programs, maps and globals by name. At most 15 bytes: the kernel cuts longer ones (`BPF_OBJ_NAME_LEN` is 16).

/// Uprobes and uretprobes on V8.
pub mod probe {
    /// Entry of `Heap::CollectGarbage`.
    pub const GC_ENTER: &str = "gc_enter";
    /// Each exit of `Heap::CollectGarbage`: no return probe, as V8 walks the stack there.
    pub const GC_EXIT: &str = "gc_exit";
    /// Entry of `Heap::Scavenge` and `Heap::EvacuateYoungGeneration`.
    pub const SCAVENGE: &str = "scavenge";
    /// Entry of `Heap::MinorMarkCompact` or `Heap::MinorMarkSweep`.
    pub const MINOR_MARK: &str = "minor_mark";
    /// Entry of `Heap::MarkCompact`.
    pub const MARK_COMPACT: &str = "mark_compact";
    /// Return of `Heap::SizeOfObjects`.
    pub const SIZE_EXIT: &str = "size_exit";
    /// Entry of `Heap::StartIncrementalMarking`.
    pub const MARKING_START: &str = "marking_start";
    /// Return of `MarkCompactCollector::StartCompaction`.
    pub const COMPACTION: &str = "compaction";
    /// Entry of `Heap::FatalProcessOutOfMemory`.
    pub const V8_OOM: &str = "v8_oom";
    /// Entry of `Heap::SetUp`.
    pub const HEAP_SET_UP: &str = "heap_set_up";
    /// Entry of `Heap::TearDown`.
    pub const HEAP_TEAR_DOWN: &str = "heap_tear_down";

    /// Entry of the slow path of allocation, where a linear allocation area is used up.
    pub const ALLOC_SLOW: &str = "alloc_slow";
    /// Entry of the allocators of large objects.
    pub const ALLOC_LARGE: &str = "alloc_large";

    /// What those of the above go on with that want the stack: in no place of its own.
    pub const STACK: &str = "stack";

    /// Where a scavenge has copied what it keeps, and nothing is overwritten yet.
    pub const SCAVENGED: &str = "scavenged";
    /// Where a full collection has marked, and sweeping has not begun.
    pub const MARKED: &str = "marked";
    /// Where a full collection has evacuated pages.
    pub const MOVED: &str = "moved";
    /// Return of the functions of [`ALLOC_SLOW`] and [`ALLOC_LARGE`].
    pub const MADE: &str = "made";
    /// What those above go on with that look at all objects which are followed: in no place of its own.
    pub const LOOK: &str = "look";

    /// All of them.
    pub const ALL: [&str; 19] = [
        GC_ENTER,
        GC_EXIT,
        SCAVENGE,
        MINOR_MARK,
        MARK_COMPACT,
        SIZE_EXIT,
        MARKING_START,
        COMPACTION,
        V8_OOM,
        HEAP_SET_UP,
        HEAP_TEAR_DOWN,
        ALLOC_SLOW,
        ALLOC_LARGE,
        STACK,
        SCAVENGED,
        MARKED,
        MOVED,
        MADE,
        LOOK,
    ];
}

/// Uprobes and uretprobes on an allocator, in an instance of the object of their own.
pub mod malloc_probe {
    /// Inside of an allocating function, where its result is known: the block is counted, and perhaps sampled.
    pub const POINT_SAMPLED: &str = "point_sampled";
    /// Return of an allocating function: the same.
    pub const RETURN_SAMPLED: &str = "return_sampled";
    /// Inside of an allocating function, where its result is known: the block is followed.
    pub const POINT_FOLLOWED: &str = "point_followed";
    /// Return of an allocating function: the same.
    pub const RETURN_FOLLOWED: &str = "return_followed";
    /// Entry of an allocating function, where the allocator keeps no header before the block.
    pub const ALLOC_ENTER: &str = "alloc_enter";
    /// Entry of `realloc`.
    pub const REALLOC_ENTER: &str = "realloc_enter";
    /// Return of `realloc`.
    pub const REALLOC_EXIT: &str = "realloc_exit";
    /// Entry of `posix_memalign`.
    pub const MEMALIGN_ENTER: &str = "memalign_enter";
    /// Return of `posix_memalign`.
    pub const MEMALIGN_EXIT: &str = "memalign_exit";
    /// Entry of `free`.
    pub const FREED: &str = "freed";
    /// Anywhere: does nothing. What a probe costs by itself, for the bench.
    pub const EMPTY: &str = "empty";

    /// All of them.
    pub const ALL: [&str; 11] = [
        POINT_SAMPLED,
        RETURN_SAMPLED,
        POINT_FOLLOWED,
        RETURN_FOLLOWED,
        ALLOC_ENTER,
        REALLOC_ENTER,
        REALLOC_EXIT,
        MEMALIGN_ENTER,
        MEMALIGN_EXIT,
        FREED,
        EMPTY,
    ];
}

/// Programs on `mmap`, `munmap` and `mremap`, in an instance of the object of their own: on the kernel's functions, called
/// through a trampoline (no trap, no tracefs, and nothing at other system calls); or on those of a process's C library.
pub mod mapping_probe {
    /// Program and system call of each that runs at the entry.
    pub const ENTRIES: [(&str, &str); 2] = [("munmap_enter", "munmap"), ("mremap_enter", "mremap")];
    /// Program and system call of each that runs at the return.
    pub const EXITS: [(&str, &str); 3] =
        [("mmap_exit", "mmap"), ("munmap_exit", "munmap"), ("mremap_exit", "mremap")];
    /// At the entry of the C library's functions that take mappings away.
    pub const BEFORE: &str = "unmap_before";
    /// Program and function of each that runs behind the C library's system call.
    pub const AFTER: [(&str, &str); 3] =
        [("mmap_after", "mmap"), ("munmap_after", "munmap"), ("mremap_after", "mremap")];
}

/// Raw tracepoints of the kernel: unlike tracepoints they need no tracefs, which many hosts do not mount.
pub mod tracepoint {
    /// Program and tracepoint of `sched_process_exec`.
    pub const EXEC: (&str, &str) = ("process_exec", "sched_process_exec");
    /// Program and tracepoint of `sched_process_fork`.
    pub const FORK: (&str, &str) = ("process_fork", "sched_process_fork");
    /// Program and tracepoint of `sched_process_exit`.
    pub const EXIT: (&str, &str) = ("process_exit", "sched_process_exit");
    /// Program and tracepoint of `mark_victim`.
    pub const OOM: (&str, &str) = ("oom_victim", "mark_victim");

    /// All of them.
    pub const ALL: [(&str, &str); 4] = [EXEC, FORK, EXIT, OOM];
}

/// Maps.
pub mod map {
    /// Ring buffer of events.
    pub const EVENTS: &str = "EVENTS";
    /// tgid → [`crate::target::Target`].
    pub const TARGETS: &str = "TARGETS";
    /// tgid → 0: processes whose descendants are followed.
    pub const FOLLOWED: &str = "FOLLOWED";
    /// attachment → [`crate::target::HeapLayout`].
    pub const HEAP_LAYOUTS: &str = "HEAP_LAYOUTS";
    /// pid and tgid → the kernel side's own state of a thread.
    pub const THREADS: &str = "THREADS";
    /// [`crate::loss::LossKey`] → per-CPU counter.
    pub const LOSSES: &str = "LOSSES";
    /// Per-CPU counters by [`crate::loss::LossReason`], of what is nobody's, or of too many processes to be counted apart.
    pub const SHARED_LOSSES: &str = "SHARED_LOSSES";
    /// tgid → [`crate::stack::StackLayout`]: processes whose stacks are walked.
    pub const STACK_LAYOUTS: &str = "STACK_LAYOUTS";
    /// tgid → per-CPU [`crate::stack::StackCounts`].
    pub const STACK_COUNTS: &str = "STACK_COUNTS";
    /// [`crate::stack::StackKey`] → [`crate::stack::StackVolume`].
    pub const STACKS: &str = "STACKS";
    /// Ring buffer of [`crate::stack::StackEvent`]: apart, so that stacks never cost a collection its place.
    pub const STACK_EVENTS: &str = "STACK_EVENTS";
    /// pid and tgid → [`crate::stack::Sampler`].
    pub const SAMPLERS: &str = "SAMPLERS";
    /// Where a walk writes: one [`crate::stack::StackEvent`] a CPU.
    pub const WALK: &str = "WALK";
    /// 0 → the program that walks stacks, once it is loaded.
    pub const WALKER: &str = "WALKER";
    /// tgid → [`crate::survivors::PageLayout`]: processes of which objects are followed.
    pub const PAGE_LAYOUTS: &str = "PAGE_LAYOUTS";
    /// pid and tgid → [`crate::survivors::Followed`].
    pub const OBJECTS: &str = "OBJECTS";
    /// [`crate::survivors::SlotKey`] → [`crate::survivors::Slot`].
    pub const SLOTS: &str = "SLOTS";
    /// 0 → the program that looks at objects, once it is loaded.
    pub const LOOKER: &str = "LOOKER";
    /// address → [`crate::native::Block`].
    pub const BLOCKS: &str = "BLOCKS";
    /// return address → [`crate::native::CallSite`].
    pub const CALL_SITES: &str = "CALL_SITES";
    /// pid and tgid → [`crate::native::Request`].
    pub const IN_FLIGHT: &str = "IN_FLIGHT";
    /// 0 → [`crate::native::Window`].
    pub const WINDOW: &str = "WINDOW";
    /// return address → bytes from the stack pointer there to the caller's frame.
    pub const WRAPPERS: &str = "WRAPPERS";
    /// Per-CPU counters by [`crate::native::NativeCount`].
    pub const NATIVE_COUNTS: &str = "NATIVE_COUNTS";
    /// 0 → per-CPU [`crate::native::TrapClock`].
    pub const TRAP_CLOCK: &str = "TRAP_CLOCK";
    /// pid and tgid → when the thread entered `munmap` or `mremap`.
    pub const UNMAPPING: &str = "UNMAPPING";
    /// Per-CPU counters by [`crate::times::counter`].
    pub const HIT_TIMES: &str = "HIT_TIMES";

    /// All of them.
    pub const ALL: [&str; 27] = [
        EVENTS,
        TARGETS,
        FOLLOWED,
        HEAP_LAYOUTS,
        THREADS,
        LOSSES,
        SHARED_LOSSES,
        STACK_LAYOUTS,
        STACK_COUNTS,
        STACKS,
        STACK_EVENTS,
        SAMPLERS,
        WALK,
        WALKER,
        PAGE_LAYOUTS,
        OBJECTS,
        SLOTS,
        LOOKER,
        BLOCKS,
        CALL_SITES,
        IN_FLIGHT,
        WINDOW,
        WRAPPERS,
        NATIVE_COUNTS,
        TRAP_CLOCK,
        UNMAPPING,
        HIT_TIMES,
    ];
}

/// Read-only globals, set before the object is loaded.
pub mod global {
    /// `u8`: 1 if probes carry their attachment as a cookie (kernel 5.15 on).
    pub const HAS_COOKIES: &str = "HAS_COOKIES";
    /// `u8`: 1 if every process that executes a program becomes a target until the collector says otherwise.
    pub const FOLLOW_ALL: &str = "FOLLOW_ALL";
    /// [`crate::target::TaskLayout`].
    pub const TASK_LAYOUT: &str = "TASK_LAYOUT";
    /// `u8`: 1 if the allocator keeps glibc's header before each block.
    pub const HAS_CHUNKS: &str = "HAS_CHUNKS";
    /// `u8`: 1 if it is counted how long programs take.
    pub const TIMES_HITS: &str = "TIMES_HITS";
}

/// Attachments (distinct V8 binaries) that can be live at once.
pub const MAX_ATTACHMENTS: u32 = 256;
/// Processes that can be watched at once.
pub const MAX_TARGETS: u32 = 4096;
/// Threads of targets that run JavaScript, at once.
pub const MAX_THREADS: u32 = 16384;
/// Bytes of the ring buffer: room for about 2 100 collections.
pub const RING_BYTES: u32 = 256 * 1024;
/// Different stacks that are counted at once, over all targets.
pub const MAX_STACKS: u32 = 16384;
/// Bytes of the ring buffer of new stacks: room for about 200 that are not fetched yet.
pub const STACK_RING_BYTES: u32 = 512 * 1024;

//! Every map and global: who writes it, who reads it, and what happens when it is full.
#![expect(unsafe_code, reason = "a map is a static in a section of its own, which is an unsafe attribute")]

use aya_ebpf::{
    Global,
    macros::map,
    maps::{Array, HashMap, PerCpuArray, PerCpuHashMap, ProgramArray, RingBuf},
};
use memwatch_common::{
    collection::ThreadState,
    loss::{LossKey, LossReason, MAX_LOSSES},
    names::{MAX_ATTACHMENTS, MAX_STACKS, MAX_TARGETS, MAX_THREADS, RING_BYTES, STACK_RING_BYTES},
    native::{Block, CallSite, MAX_WRAPPERS, NativeCount, Request, TrapClock, Window},
    stack::{Sampler, StackCounts, StackEvent, StackKey, StackLayout, StackVolume},
    survivors::{Followed, MAX_ISOLATES, PageLayout, Slot},
    target::{HeapLayout, Target, TaskLayout},
};

use crate::raw::{OwnSlot, Thread};

/// Events, from every program to the collector. Full: the event is dropped and `LossReason::RingFull` counted.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// Which processes are targets. Written by the collector, and by `process_exec` and `process_exit` for followed processes. Full:
/// `LossReason::TargetsFull`.
#[map]
pub(crate) static TARGETS: HashMap<u32, Target> = HashMap::with_max_entries(MAX_TARGETS, 0);

/// Processes whose descendants are targets too. Seeded by the collector, kept by fork and exit. Full:
/// `LossReason::TargetsFull`.
#[map]
pub(crate) static FOLLOWED: HashMap<u32, u8> = HashMap::with_max_entries(MAX_TARGETS, 0);

/// How each attachment's binary lays out a heap. Written by the collector before the attachment is live.
#[map]
pub(crate) static HEAP_LAYOUTS: Array<HeapLayout> = Array::with_max_entries(MAX_ATTACHMENTS, 0);

/// State of each target thread that has collected. Written by the probes, removed when the thread ends. Full:
/// `LossReason::ThreadsFull`.
#[map]
pub(crate) static THREADS: HashMap<Thread, ThreadState> = HashMap::with_max_entries(MAX_THREADS, 0);

/// Losses by process and reason. Written by every program, read by the collector, which removes those of a process that is
/// gone. Full: counted in `SHARED_LOSSES`.
#[map]
pub(crate) static LOSSES: PerCpuHashMap<LossKey, u64> = PerCpuHashMap::with_max_entries(MAX_LOSSES, 0);

/// Losses by reason that are no known process's alone. Written by every program, read by the collector.
#[map]
pub(crate) static SHARED_LOSSES: PerCpuArray<u64> = PerCpuArray::with_max_entries(LossReason::COUNT, 0);

/// What stacks of each process have cost it. The collector makes and removes the entries, the probes count.
#[map]
pub(crate) static STACK_COUNTS: PerCpuHashMap<u32, StackCounts> =
    PerCpuHashMap::with_max_entries(MAX_TARGETS, 0);

/// How the V8 of each process is walked. Written by the collector only; a process without has no stacks.
#[map]
pub(crate) static STACK_LAYOUTS: HashMap<u32, StackLayout> = HashMap::with_max_entries(MAX_TARGETS, 0);

/// What was allocated where. Written by the probes, read and cleared by the collector. Full:
/// `LossReason::StacksFull`.
#[map]
pub(crate) static STACKS: HashMap<StackKey, StackVolume> = HashMap::with_max_entries(MAX_STACKS, 0);

/// Stacks that are new, once each, to the collector. Full: the stack stays new and `LossReason::StacksFull` is counted.
#[map]
pub(crate) static STACK_EVENTS: RingBuf = RingBuf::with_byte_size(STACK_RING_BYTES, 0);

/// How far each thread is from its next sample. Full: `LossReason::SamplersFull`.
#[map]
pub(crate) static SAMPLERS: HashMap<Thread, Sampler> = HashMap::with_max_entries(MAX_THREADS, 0);

/// Where a walk writes.
#[map]
pub(crate) static WALK: PerCpuArray<StackEvent> = PerCpuArray::with_max_entries(1, 0);

/// The program that walks stacks. The collector puts it there once it is loaded; until then nothing is walked.
#[map]
pub(crate) static WALKER: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// How the pages of V8's heap are laid out in each process of which objects are followed. Written by the collector once all probes
/// for it are live.
#[map]
pub(crate) static PAGE_LAYOUTS: HashMap<u32, PageLayout> = HashMap::with_max_entries(MAX_TARGETS, 0);

/// The objects of each thread's isolate that are followed. Written by the probes, removed with the thread or its isolate. Full:
/// `LossReason::SurvivorsFull`.
#[map]
pub(crate) static OBJECTS: HashMap<Thread, Followed> = HashMap::with_max_entries(MAX_ISOLATES, 0);

/// Each of these objects. Written by the probes; those of an isolate that is gone are removed by the collector. The collector gives
/// it its size. Full: `LossReason::SurvivorsFull`.
#[map]
pub(crate) static SLOTS: HashMap<OwnSlot, Slot> = HashMap::with_max_entries(1, 0);

/// The program that looks at all objects of an isolate. The collector puts it there once it is loaded.
#[map]
pub(crate) static LOOKER: ProgramArray = ProgramArray::with_max_entries(1, 0);

/// Outstanding blocks by address, or those sampled in the open window. Written by the probes, the latter removed by the
/// collector. An instance that follows an allocator gives it its size when it is loaded. Full: `LossReason::BlocksFull`.
#[map]
pub(crate) static BLOCKS: HashMap<u64, Block> = HashMap::with_max_entries(1, 0);

/// Books by call site, each CPU its own. An instance that follows an allocator gives it its size. Full:
/// `LossReason::CallSitesFull`.
#[map]
pub(crate) static CALL_SITES: PerCpuHashMap<u64, CallSite> = PerCpuHashMap::with_max_entries(1, 0);

/// What each thread inside of the allocator has asked for. Sized as above. Full: `LossReason::InFlightFull`.
#[map]
pub(crate) static IN_FLIGHT: HashMap<Thread, Request> = HashMap::with_max_entries(1, 0);

/// The window, written by the collector before its probes are live.
#[map]
pub(crate) static WINDOW: Array<Window> = Array::with_max_entries(1, 0);

/// Return addresses inside of functions that only pass an allocation on (`operator new`), with the bytes from the stack
/// pointer there to the caller's frame; 0 where the block is counted elsewhere. Written by the collector before probes are
/// live.
#[map]
pub(crate) static WRAPPERS: HashMap<u64, u64> = HashMap::with_max_entries(MAX_WRAPPERS, 0);

/// Counters of an instance that follows an allocator, read by the collector.
#[map]
pub(crate) static NATIVE_COUNTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(NativeCount::LEN, 0);

/// How long it is from one trap to the next, read by the collector.
#[map]
pub(crate) static TRAP_CLOCK: PerCpuArray<TrapClock> = PerCpuArray::with_max_entries(1, 0);

/// When each thread entered a call that takes mappings away. An instance that follows mappings gives it its size. Full: the
/// time of the return stands in for it.
#[map]
pub(crate) static UNMAPPING: HashMap<Thread, u64> = HashMap::with_max_entries(1, 0);

/// How long programs took, by `times::counter`. An instance that counts that gives it its size.
#[map]
pub(crate) static HIT_TIMES: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Whether it is counted how long programs take.
#[unsafe(no_mangle)]
pub(crate) static TIMES_HITS: Global<u8> = Global::new(0);

/// Whether the allocator keeps glibc's header before each block.
#[unsafe(no_mangle)]
pub(crate) static HAS_CHUNKS: Global<u8> = Global::new(0);

/// Whether probes carry their attachment as a cookie. Without (kernels before 5.15) each is scoped to one process, and
/// the collector writes the attachment into `TARGETS`.
#[unsafe(no_mangle)]
pub(crate) static HAS_COOKIES: Global<u8> = Global::new(0);

/// Whether every process that executes a program is a target until the collector says otherwise.
#[unsafe(no_mangle)]
pub(crate) static FOLLOW_ALL: Global<u8> = Global::new(0);

/// Offsets in the running kernel's `task_struct`.
#[unsafe(no_mangle)]
pub(crate) static TASK_LAYOUT: Global<TaskLayout> = Global::new(TaskLayout::UNKNOWN);

//! An instance of the object that follows one process's allocator: maps of its own, sized for what it does, and probes
//! that the kernel scopes to that process, as every process of the host passes through its libc.

use std::num::NonZeroU32;

use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    maps::{Array, HashMap, MapData, PerCpuArray, PerCpuHashMap, RingBuf},
};
use memwatch_common::{
    loss::LossReason,
    names::{global, map},
    native::{
        Block, BlockSample, CALLER_RING_BYTES, CallSite, FOLLOW_RING_BYTES, GAP_STEPS, MAX_BLOCKS,
        MAX_CALL_SITES, MAX_CALLERS, MAX_IN_FLIGHT, MAX_SAMPLED, NO_SIZE, NativeCount, SAMPLE_RING_BYTES,
        TrapClock, Window,
    },
    stack::{StackKey, StackLayout},
    target::TaskLayout,
};

use super::{
    armed::Armed,
    attach::{AttachError, loaded_uprobe},
    error::{LoadError, in_map, typed},
    load::LOG_MAP,
    losses::{Counts, LossMaps},
    multi::Programs,
    object, raw,
    stacks::StackMaps,
};
use crate::plan::malloc::{MallocPlan, Scope};

/// Maps of the object that an instance of this kind has no use for: one entry is the least there can be. Layouts of stacks
/// have one, for the process.
const SMALLEST: [&str; 10] = [
    map::TARGETS,
    map::FOLLOWED,
    map::HEAP_LAYOUTS,
    map::THREADS,
    map::STACK_LAYOUTS,
    map::STACK_COUNTS,
    map::SAMPLERS,
    map::PAGE_LAYOUTS,
    map::OBJECTS,
    map::SLOTS,
];
/// The least that a ring buffer can have: a page.
const UNUSED_RING_BYTES: u32 = 4096;

/// An instance of the object that follows one process's allocator.
pub struct Tap {
    ebpf: Ebpf,
    /// Its programs where the kernel links many places at once; else they are aya's.
    multi: Option<Programs>,
    ring: RingBuf<MapData>,
    /// What was in it, and is not taken yet.
    fetched: Vec<Box<BlockSample>>,
    stack_ring: RingBuf<MapData>,
    stacks: StackMaps,
    /// Held open for the programs that are loaded later.
    _wrappers: HashMap<MapData, u64, u64>,
    window: Array<MapData, Window>,
    blocks: HashMap<MapData, u64, Block>,
    call_sites: PerCpuHashMap<MapData, u64, CallSite>,
    counts: PerCpuArray<MapData, u64>,
    clock: PerCpuArray<MapData, TrapClock>,
    losses: LossMaps,
    /// Samples that could not be decoded.
    malformed: u64,
}

impl Tap {
    /// Loads maps and programs for `plan`. With `follow`, outstanding blocks are kept: about 90 MB of the kernel's memory.
    /// `multi`: whether the kernel links many places at once; `task`: as of [`super::load::Settings`], which only
    /// [`Self::walk`] has use for.
    pub fn load(plan: &MallocPlan, follow: bool, multi: bool, task: TaskLayout) -> Result<Self, LoadError> {
        let mut ebpf = load(plan, follow, task)?;
        let multi = multi.then(|| Programs::over(&ebpf)).transpose()?;
        Ok(Self {
            _wrappers: wrappers(&mut ebpf, plan, follow)?,
            ring: typed(&mut ebpf, map::EVENTS)?,
            fetched: Vec::new(),
            stack_ring: typed(&mut ebpf, map::STACK_EVENTS)?,
            stacks: StackMaps::of(&mut ebpf)?,
            window: typed(&mut ebpf, map::WINDOW)?,
            blocks: typed(&mut ebpf, map::BLOCKS)?,
            call_sites: typed(&mut ebpf, map::CALL_SITES)?,
            counts: typed(&mut ebpf, map::NATIVE_COUNTS)?,
            clock: typed(&mut ebpf, map::TRAP_CLOCK)?,
            losses: LossMaps::of(&mut ebpf)?,
            malformed: 0,
            multi,
            ebpf,
        })
    }

    /// Loads the programs that `scope` needs, so that [`Self::arm`] has nothing left to do but to arm.
    pub fn prepare(&mut self, plan: &MallocPlan, scope: Scope) -> Result<(), LoadError> {
        plan.uses(scope).iter().try_for_each(|one| match &mut self.multi {
            Some(programs) => programs.load(one.program),
            None => loaded_uprobe(&mut self.ebpf, one.program).map(|_| ()),
        })
    }

    /// From now on a sample says which JavaScript of `pid` called.
    pub fn walk(&mut self, pid: u32, layout: StackLayout) -> Result<(), LoadError> {
        self.stacks.walk(pid, layout)
    }

    /// How many stacks of JavaScript were walked.
    #[must_use]
    pub fn walks(&self, pid: u32) -> u64 {
        self.stacks.hits_and_walks(pid).1
    }

    /// Says what is sampled from now on.
    pub fn set_window(&mut self, window: Window) -> Result<(), LoadError> {
        self.window.set(0, window, 0).map_err(in_map(map::WINDOW))
    }

    /// Arms the probes of `scope` in the process `pid`, those of the busiest places last. Blocks for some hundredths of a
    /// second.
    pub fn arm(&mut self, pid: NonZeroU32, plan: &MallocPlan, scope: Scope) -> Result<Armed, AttachError> {
        self.prepare(plan, scope)?;
        let (path, uses) = (plan.path(), plan.uses(scope));
        match &mut self.multi {
            Some(programs) => Armed::many(programs, pid, path.as_ref(), &uses),
            None => Armed::singly(&mut self.ebpf, pid, path.as_ref(), &uses),
        }
    }

    /// Hands every sample that is there to `take`, oldest first.
    pub fn drain(&mut self, take: impl FnMut(Box<BlockSample>)) {
        self.fetch();
        self.fetched.drain(..).for_each(take);
    }

    /// Makes room in the ring buffer.
    pub fn fetch(&mut self) {
        while let Some(record) = self.ring.next() {
            match raw::read::<BlockSample>(&record) {
                Some(sample) => self.fetched.push(Box::new(sample)),
                None => self.malformed += 1,
            }
        }
    }

    /// Hands the bytes of every stack of JavaScript that is there to `take`. One is sent when it is met first, and again
    /// after [`Self::forget_stack`].
    pub fn drain_stacks(&mut self, mut take: impl FnMut(&[u8])) {
        while let Some(record) = self.stack_ring.next() {
            take(&record);
        }
    }

    /// Forgets a stack.
    pub fn forget_stack(&mut self, key: StackKey) {
        self.stacks.forget(key);
    }

    /// Forgets that a block was sampled. Whether it was handed out again since it was sampled last.
    pub fn was_reused(&mut self, address: u64) -> bool {
        let reused = self.blocks.get(&address, 0).is_ok_and(|block| block.size == NO_SIZE);
        let _absent = self.blocks.remove(&address);
        reused
    }

    /// Whether a followed block of this call site is at `address`.
    #[must_use]
    pub fn holds(&self, address: u64, call_site: u64) -> bool {
        self.blocks.get(&address, 0).is_ok_and(|block| block.call_site == call_site)
    }

    /// The books of a call site over all CPUs, of the window `serial`.
    #[must_use]
    pub fn call_site(&self, key: u64, serial: u64) -> Option<CallSite> {
        let per_cpu = self.call_sites.get(&key, 0).ok()?;
        Some(per_cpu.iter().filter(|site| site.window == serial).fold(CallSite::default(), sum))
    }

    /// The books of all call sites over all CPUs, while every block is followed.
    pub fn call_sites(&self) -> Vec<(u64, CallSite)> {
        let keys = self.call_sites.keys().filter_map(Result::ok);
        let books = |key| Some(self.call_sites.get(&key, 0).ok()?.iter().fold(CallSite::default(), sum));
        keys.filter_map(|key| Some((key, books(key)?))).collect()
    }

    /// A counter over all CPUs.
    #[must_use]
    pub fn count(&self, what: NativeCount) -> u64 {
        self.counts.get(&(what as u32), 0).map_or(0, |per_cpu| per_cpu.iter().sum())
    }

    /// How many gaps between traps there were by length, in steps of 128 ns; the last is everything longer.
    #[must_use]
    pub fn gaps(&self) -> [u64; GAP_STEPS] {
        let mut gaps = [0; GAP_STEPS];
        for clock in self.clock.get(&0, 0).iter().flat_map(|per_cpu| per_cpu.iter()) {
            gaps.iter_mut().zip(clock.gaps).for_each(|(sum, count)| *sum += count);
        }
        gaps
    }

    /// Losses of the process `pid` since it was loaded.
    pub fn losses(&self, pid: u32) -> Result<Counts, LoadError> {
        let mut losses = self.losses.read()?;
        losses.count(pid, LossReason::BlockMalformed, self.malformed);
        Ok(losses.of(pid))
    }
}

/// The map of the functions of `plan` that only pass on what malloc returns.
fn wrappers(
    ebpf: &mut Ebpf,
    plan: &MallocPlan,
    follow: bool,
) -> Result<HashMap<MapData, u64, u64>, LoadError> {
    let mut wrappers: HashMap<MapData, u64, u64> = typed(ebpf, map::WRAPPERS)?;
    for wrapper in &plan.wrappers {
        let frame = wrapper.frame_told(follow);
        wrappers.insert(wrapper.address, frame, 0).map_err(in_map(map::WRAPPERS))?;
    }
    Ok(wrappers)
}

/// Maps of the sizes that it takes to sample blocks of `plan`'s allocator, or to `follow` them.
fn load(plan: &MallocPlan, follow: bool, task: TaskLayout) -> Result<Ebpf, LoadError> {
    let has_chunks = u8::from(plan.has_chunks());
    let mut loader = EbpfLoader::new();
    loader
        .btf(None)
        .verifier_log_level(VerifierLogLevel::STATS)
        .override_global(global::HAS_CHUNKS, &has_chunks, true)
        .override_global(global::TASK_LAYOUT, &task, true)
        .map_max_entries(LOG_MAP, UNUSED_RING_BYTES)
        .map_max_entries(map::STACK_EVENTS, CALLER_RING_BYTES)
        .map_max_entries(map::STACKS, MAX_CALLERS)
        .map_max_entries(map::EVENTS, if follow { FOLLOW_RING_BYTES } else { SAMPLE_RING_BYTES })
        .map_max_entries(map::CALL_SITES, MAX_CALL_SITES)
        .map_max_entries(map::IN_FLIGHT, MAX_IN_FLIGHT)
        .map_max_entries(map::LOSSES, LossReason::COUNT)
        .map_max_entries(map::BLOCKS, if follow { MAX_BLOCKS } else { MAX_SAMPLED });
    for name in SMALLEST {
        loader.map_max_entries(name, 1);
    }
    Ok(loader.load(object::bytes()?).map_err(Box::new)?)
}

fn sum(one: CallSite, other: &CallSite) -> CallSite {
    CallSite {
        allocated_blocks: one.allocated_blocks + other.allocated_blocks,
        allocated_bytes: one.allocated_bytes.wrapping_add(other.allocated_bytes),
        // What one CPU gave out another may take back, and a `realloc` that failed is taken back as a negative number.
        freed_blocks: one.freed_blocks.wrapping_add(other.freed_blocks),
        freed_bytes: one.freed_bytes.wrapping_add(other.freed_bytes),
        window: other.window,
        taken: one.taken + other.taken,
        strides: one.strides,
    }
}

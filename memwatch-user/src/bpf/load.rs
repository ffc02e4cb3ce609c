//! The object, loaded into the kernel: its maps as typed methods.

use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    maps::{Array, HashMap, MapData},
    programs::RawTracePoint,
};
use memwatch_common::{
    names::{global, map, tracepoint},
    target::{HeapLayout, Target, TaskLayout, UNCLAIMED},
    times::COUNTERS,
};

use super::{
    error::{LoadError, in_map, in_program, typed},
    losses::{LossMaps, Losses},
    object,
    walker::Walker,
};

/// aya-log's map of debug lines.
pub(super) const LOG_MAP: &str = "AYA_LOGS";
/// aya-log's global: the most verbose level that is sent; 0 sends nothing.
const LOG_LEVEL: &str = "AYA_LOG_LEVEL";

/// What the kernel side is told before it is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Probes carry their attachment as a cookie (kernel 5.15 on).
    pub cookies: bool,
    /// Every process that executes a program is a target until it is removed.
    pub follow_all: bool,
    /// Offsets in the running kernel's `task_struct`.
    pub task: TaskLayout,
    /// The kernel side's own debug lines are wanted.
    pub debug: bool,
}

/// The loaded object. Everything in the kernel goes when this is dropped, or when the process dies.
pub struct Kernel {
    pub(super) ebpf: Ebpf,
    targets: HashMap<MapData, u32, Target>,
    followed: HashMap<MapData, u32, u8>,
    heap_layouts: Array<MapData, HeapLayout>,
    losses: LossMaps,
    walker: Option<Walker>,
}

impl Kernel {
    /// Loads maps and programs. Nothing is attached yet.
    pub fn load(settings: Settings) -> Result<Self, LoadError> {
        Self::load_with(settings, 0)
    }

    /// The same, with programs that count how long they take, for [`super::times::HitTimes`].
    pub fn load_timed(settings: Settings) -> Result<Self, LoadError> {
        Self::load_with(settings, COUNTERS + 1)
    }

    fn load_with(settings: Settings, times: u32) -> Result<Self, LoadError> {
        let times_hits = u8::from(times > 0);
        let (cookies, follow_all) = (u8::from(settings.cookies), u8::from(settings.follow_all));
        let log_level = if settings.debug { aya_log::Level::Debug as u8 } else { 0 };
        let mut loader = EbpfLoader::new();
        loader
            // No CO-RE relocations to resolve: rustc emits none.
            .btf(None)
            // The reason of a refusal and no trace of the instructions. With the log disabled, kernels refuse aya's second
            // attempt for its empty log (EINVAL), and the reason is lost.
            .verifier_log_level(VerifierLogLevel::STATS)
            .override_global(global::HAS_COOKIES, &cookies, true)
            .override_global(global::FOLLOW_ALL, &follow_all, true)
            .override_global(global::TASK_LAYOUT, &settings.task, true)
            .override_global(global::TIMES_HITS, &times_hits, true)
            .override_global(LOG_LEVEL, &log_level, false);
        if times > 0 {
            loader.map_max_entries(map::HIT_TIMES, times);
        }
        if !settings.debug {
            loader.map_max_entries(LOG_MAP, 4096);
        }
        Self::from_ebpf(loader.load(object::bytes()?).map_err(Box::new)?)
    }

    fn from_ebpf(mut ebpf: Ebpf) -> Result<Self, LoadError> {
        let walker = Some(Walker::of(&ebpf)?);
        let targets = typed(&mut ebpf, map::TARGETS)?;
        let followed = typed(&mut ebpf, map::FOLLOWED)?;
        let heap_layouts = typed(&mut ebpf, map::HEAP_LAYOUTS)?;
        let losses = LossMaps::of(&mut ebpf)?;
        let mut kernel = Self { ebpf, targets, followed, heap_layouts, losses, walker };
        // Until the collector has looked at it, a process that was admitted by the kernel side is nobody's.
        kernel.set_heap_layout(UNCLAIMED, HeapLayout::UNKNOWN)?;
        Ok(kernel)
    }

    /// Attaches the tracepoints on the life of processes. Returns the names of those that this kernel refuses, and why:
    /// without them ends are told with less detail.
    pub fn attach_tracepoints(&mut self) -> Vec<(&'static str, String)> {
        let mut refused = Vec::new();
        for (program, tracepoint) in tracepoint::ALL {
            if let Err(error) = self.attach_tracepoint(program, tracepoint) {
                refused.push((tracepoint, error.to_string()));
            }
        }
        refused
    }

    fn attach_tracepoint(&mut self, name: &'static str, tracepoint: &str) -> Result<(), LoadError> {
        let failed = in_program(name);
        let program = self.ebpf.program_mut(name).ok_or(LoadError::Missing(name))?;
        let program: &mut RawTracePoint = program.try_into().map_err(&failed)?;
        program.load().map_err(&failed)?;
        program.attach(tracepoint).map_err(&failed)?;
        Ok(())
    }

    /// What it takes to load the program that walks stacks; once.
    pub fn walker(&mut self) -> Option<Walker> {
        self.walker.take()
    }

    /// Makes a process a target that is served by `attachment`, or by none ([`UNCLAIMED`]) if it has no probes.
    pub fn add_target(&mut self, pid: u32, attachment: u32) -> Result<(), LoadError> {
        self.targets.insert(pid, Target { attachment }, 0).map_err(in_map(map::TARGETS))
    }

    /// Forgets a target and what was lost of it; that it was none is no error.
    pub fn remove_target(&mut self, pid: u32) {
        let _absent = self.targets.remove(&pid);
        self.losses.forget(pid);
    }

    /// Makes targets of what descends from this process and executes a program.
    pub fn follow(&mut self, pid: u32) -> Result<(), LoadError> {
        self.followed.insert(pid, 0, 0).map_err(in_map(map::FOLLOWED))
    }

    /// Whether a process is followed: it descends from one that [`Self::follow`] named.
    #[must_use]
    pub fn is_followed(&self, pid: u32) -> bool {
        self.followed.get(&pid, 0).is_ok()
    }

    /// Stops following a process; those that descend from it are followed on.
    pub fn unfollow(&mut self, pid: u32) {
        let _absent = self.followed.remove(&pid);
    }

    /// Says how the binary of an attachment lays out a heap.
    pub fn set_heap_layout(&mut self, attachment: u32, layout: HeapLayout) -> Result<(), LoadError> {
        self.heap_layouts.set(attachment, layout, 0).map_err(in_map(map::HEAP_LAYOUTS))
    }

    /// Losses since the object was loaded, by process and reason.
    pub fn losses(&self) -> Result<Losses, LoadError> {
        self.losses.read()
    }
}

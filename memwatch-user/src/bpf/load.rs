//! The object, loaded into the kernel: its programs, and the maps that say whom they look at.

use aya::{Ebpf, EbpfLoader, VerifierLogLevel, programs::RawTracePoint};
use memwatch_common::{
    names::{global, map, tracepoint},
    survivors::MAX_SLOTS,
    target::TaskLayout,
    times::COUNTERS,
};

use super::{
    error::{LoadError, in_program},
    object,
    targets::TargetMaps,
    walker::Walker,
};

/// aya-log's map of debug lines.
pub(super) const LOG_MAP: &str = "AYA_LOGS";
/// aya-log's global: the most verbose level that is sent; 0 sends nothing.
const LOG_LEVEL: &str = "AYA_LOG_LEVEL";

/// Objects that are followed where no process joins later but those that are started: of three isolates whose lists are full, or
/// of many more. Each takes 112 bytes of the kernel's memory.
const FEW_SLOTS: u32 = MAX_SLOTS / 4;

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
    /// Its programs, and the maps that were not taken out.
    pub programs: Programs,
    /// By which it is told whom to look at.
    pub maps: TargetMaps,
    walker: Option<Walker>,
}

/// The programs of a loaded object. To attach them takes the kernel its time.
pub struct Programs {
    pub(super) ebpf: Ebpf,
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
        loader.map_max_entries(map::SLOTS, if settings.follow_all { MAX_SLOTS } else { FEW_SLOTS });
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
        let maps = TargetMaps::of(&mut ebpf)?;
        Ok(Self { programs: Programs { ebpf }, maps, walker })
    }

    /// What it takes to load the program that walks stacks; once.
    pub fn walker(&mut self) -> Option<Walker> {
        self.walker.take()
    }
}

impl Programs {
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
}

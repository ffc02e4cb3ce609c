//! An instance of the object that sees every change that processes make to their mappings themselves: one for all processes.
//! Its programs hang on functions of the kernel; where that lets nobody at them, on those of each process's C library.

use std::{
    collections::BTreeMap,
    fs,
    num::NonZeroU32,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::{
    Btf, Ebpf, EbpfLoader, VerifierLogLevel,
    maps::{HashMap, MapData, RingBuf},
    programs::{Program, ProgramError},
};
use aya_obj::btf::BtfKind;
use memwatch_common::{
    loss::LossReason,
    mapping::{MAPPING_RING_BYTES, MAX_UNMAPPING, MappingChange, MappingSample, mapping_kind},
    names::{MAX_TARGETS, global, map, mapping_probe},
    native::{CALLER_RING_BYTES, MAX_CALLERS, StackCopy},
    stack::{StackKey, StackLayout},
    target::{Target, TaskLayout, UNCLAIMED},
};

use super::{
    armed::Armed,
    attach::AttachError,
    error::{LoadError, in_map, in_program, typed},
    load::LOG_MAP,
    losses::{LossMaps, Losses},
    multi::Programs,
    object, raw,
    ring::Ring,
    stacks::StackMaps,
};
use crate::plan::malloc::{Mappers, Use};

/// Maps of the object that an instance of this kind has no use for.
const SMALLEST: [&str; 7] = [
    map::FOLLOWED,
    map::HEAP_LAYOUTS,
    map::THREADS,
    map::SAMPLERS,
    map::PAGE_LAYOUTS,
    map::OBJECTS,
    map::SLOTS,
];
/// The kernel's struct for a way into programs whose users are counted.
const TRAMPOLINE: &str = "bpf_tramp_image";
/// The kernel's function for a system call, before its name.
const FUNCTION: &str = if cfg!(target_arch = "aarch64") { "__arm64_sys_" } else { "__x64_sys_" };

/// An instance of the object that follows mappings.
pub(crate) struct MappingTap {
    ebpf: Ebpf,
    ring: Ring,
    stack_ring: RingBuf<MapData>,
    stacks: StackMaps,
    targets: HashMap<MapData, u32, Target>,
    losses: LossMaps,
    /// Changes that could not be decoded.
    malformed: u64,
    /// `None` if the programs are on the kernel's functions.
    libraries: Option<Libraries>,
}

/// Programs in C libraries.
struct Libraries {
    /// For links of many places, where the kernel has those.
    multi: Option<Programs>,
    /// By process.
    armed: BTreeMap<u32, Armed>,
}

impl MappingTap {
    /// Loads the programs, and has those on the kernel's functions run if `kernel` says so and the kernel lets them; needs a
    /// tokio runtime. Takes some tenths of a second. `multi`: whether the kernel links many places at once; `task`: as of
    /// [`super::load::Settings`].
    pub(crate) fn attach(kernel: bool, multi: bool, task: TaskLayout) -> Result<Self, LoadError> {
        let mut loader = EbpfLoader::new();
        loader
            .btf(None)
            .verifier_log_level(VerifierLogLevel::STATS)
            .override_global(global::TASK_LAYOUT, &task, true)
            .map_max_entries(LOG_MAP, 4096)
            .map_max_entries(map::EVENTS, MAPPING_RING_BYTES)
            .map_max_entries(map::STACK_EVENTS, CALLER_RING_BYTES)
            .map_max_entries(map::STACKS, MAX_CALLERS)
            .map_max_entries(map::TARGETS, MAX_TARGETS)
            .map_max_entries(map::STACK_LAYOUTS, MAX_TARGETS)
            .map_max_entries(map::STACK_COUNTS, MAX_TARGETS)
            .map_max_entries(map::UNMAPPING, MAX_UNMAPPING);
        for name in SMALLEST {
            loader.map_max_entries(name, 1);
        }
        let mut ebpf = loader.load(object::bytes()?).map_err(Box::new)?;
        let refused = if kernel { attach_to_kernel(&mut ebpf).err() } else { None };
        if let Some(error) = &refused {
            log::debug!("mappings are followed in C libraries: {error:#}");
        }
        let libraries = if kernel && refused.is_none() {
            None
        } else {
            let multi = multi.then(|| Programs::over(&ebpf)).transpose()?;
            Some(Libraries { multi, armed: BTreeMap::new() })
        };
        Ok(Self {
            ring: Ring::of(&mut ebpf, map::EVENTS)?,
            stack_ring: typed(&mut ebpf, map::STACK_EVENTS)?,
            stacks: StackMaps::of(&mut ebpf)?,
            targets: typed(&mut ebpf, map::TARGETS)?,
            losses: LossMaps::of(&mut ebpf)?,
            malformed: 0,
            ebpf,
            libraries,
        })
    }

    /// Whether the programs are on the kernel's functions: then they see calls that are made without a C library too.
    #[must_use]
    pub(crate) const fn is_in_kernel(&self) -> bool {
        self.libraries.is_none()
    }

    /// Puts programs into the C library of the process `pid`, at `uses` of `mappers`, unless they are on the kernel's functions.
    pub(crate) fn arm(
        &mut self,
        pid: NonZeroU32,
        mappers: &Mappers,
        uses: &[Use<'_>],
    ) -> Result<(), AttachError> {
        let Some(Libraries { multi, armed }) = &mut self.libraries else { return Ok(()) };
        let path = mappers.library.elf.descriptor_path();
        let live = if let Some(programs) = multi {
            uses.iter().try_for_each(|one| programs.load(one.program))?;
            Armed::many(programs, pid, path.as_ref(), uses)?
        } else {
            Armed::singly(&mut self.ebpf, pid, path.as_ref(), uses)?
        };
        armed.insert(pid.get(), live);
        Ok(())
    }

    /// From now on changes of `pid` are seen; with `layout` also which JavaScript called.
    pub(crate) fn follow(&mut self, pid: u32, layout: Option<StackLayout>) -> Result<(), LoadError> {
        if let Some(layout) = layout {
            self.stacks.walk(pid, layout)?;
        }
        let target = Target { attachment: UNCLAIMED };
        self.targets.insert(pid, target, 0).map_err(in_map(map::TARGETS))
    }

    /// Those of `pid` are not seen any more. What is armed in it is handed back: taking it away may take the kernel a second.
    pub(crate) fn leave(&mut self, pid: u32) -> Option<Armed> {
        let _absent = self.targets.remove(&pid);
        self.stacks.stop(pid);
        self.libraries.as_mut()?.armed.remove(&pid)
    }

    /// Waits until there may be changes. Safe to cancel.
    pub(crate) async fn readable(&mut self) -> std::io::Result<()> {
        self.ring.readable().await
    }

    /// Hands changes that are there to `take`, oldest first and at most so many, with the stack that asked where something was given.
    /// Whether there may be more, as of [`Ring::drain_some`].
    pub(crate) fn drain(
        &mut self,
        most: usize,
        mut take: impl FnMut(MappingChange, Option<Box<StackCopy>>),
    ) -> bool {
        let malformed = &mut self.malformed;
        self.ring.drain_some(most, |record| match change(record) {
            Some((change, copy)) => take(change, copy),
            None => *malformed += 1,
        })
    }

    /// Hands the bytes of every new stack of JavaScript to `take`. After [`Self::drain`]: the caller of each change was sent
    /// before it.
    pub(crate) fn drain_stacks(&mut self, mut take: impl FnMut(&[u8])) {
        while let Some(record) = self.stack_ring.next() {
            take(&record);
        }
    }

    /// Forgets a stack.
    pub(crate) fn forget_stack(&mut self, key: StackKey) {
        self.stacks.forget(key);
    }

    /// Losses since it was loaded, by process and reason.
    pub(crate) fn losses(&self) -> Result<Losses, LoadError> {
        let mut losses = self.losses.read()?;
        losses.count_shared(LossReason::MappingsFull, self.skipped());
        losses.count_shared(LossReason::MappingMalformed, self.malformed);
        Ok(losses)
    }

    /// Forgets what was lost of `pid`.
    pub(crate) fn forget_losses(&mut self, pid: u32) {
        self.losses.forget(pid);
    }

    /// How often the kernel did not run a program as it had interrupted the same one on that CPU.
    fn skipped(&self) -> u64 {
        let fds = self.ebpf.programs().filter_map(|(_, program)| program.fd().ok());
        let told = fds.filter_map(|fd| {
            fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd())).ok()
        });
        told.filter_map(|text| skipped(&text)).sum()
    }
}

/// A change, with the stack that asked where something was given; `None` if it is shorter than its kind.
fn change(record: &[u8]) -> Option<(MappingChange, Option<Box<StackCopy>>)> {
    let change = raw::read::<MappingChange>(record)?;
    let copy = match change.kind {
        mapping_kind::COVERED | mapping_kind::GIVEN_BACK => None,
        _ => Some(Box::new(raw::read::<MappingSample>(record)?.copy)),
    };
    Some((change, copy))
}

/// Kernels before 5.17 do not say.
fn skipped(fdinfo: &str) -> Option<u64> {
    fdinfo.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?.trim().parse().ok()
}

/// All or nothing: what is seen twice would be taken for two mappings.
fn attach_to_kernel(ebpf: &mut Ebpf) -> Result<(), LoadError> {
    let attached = try_kernel(ebpf);
    if attached.is_err() {
        for (name, _) in programs() {
            let _not_loaded = ebpf.program_mut(name).map(unload);
        }
    }
    attached
}

/// Entries first: whoever is seen to return was seen to enter.
fn try_kernel(ebpf: &mut Ebpf) -> Result<(), LoadError> {
    let types = Btf::from_sys_fs().map_err(|error| Box::new(error.into()))?;
    // Without it (before 5.12) the kernel may free what a sleeping thread has yet to return through.
    let counted = types.id_by_type_name_kind(TRAMPOLINE, BtfKind::Struct);
    counted.map_err(|error| in_program(TRAMPOLINE)(error.into()))?;
    for (name, call) in programs() {
        let program = ebpf.program_mut(name).ok_or(LoadError::Missing(name))?;
        load(program, &format!("{FUNCTION}{call}"), &types).map_err(in_program(name))?;
    }
    for (name, _) in programs() {
        let program = ebpf.program_mut(name).ok_or(LoadError::Missing(name))?;
        attach(program).map_err(in_program(name))?;
    }
    Ok(())
}

fn programs() -> impl Iterator<Item = (&'static str, &'static str)> {
    mapping_probe::ENTRIES.into_iter().chain(mapping_probe::EXITS)
}

fn load(program: &mut Program, function: &str, types: &Btf) -> Result<(), ProgramError> {
    match program {
        Program::FEntry(program) => program.load(function, types),
        Program::FExit(program) => program.load(function, types),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

fn attach(program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::FEntry(program) => program.attach().map(drop),
        Program::FExit(program) => program.attach().map(drop),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

fn unload(program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::FEntry(program) => program.unload(),
        Program::FExit(program) => program.unload(),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

#[cfg(test)]
mod tests {
    use super::skipped;

    #[test]
    fn what_the_kernel_says_of_a_program() {
        assert_eq!(skipped("run_cnt:\t0\nrecursion_misses:\t7\nverified_insns:\t9\n"), Some(7));
        assert_eq!(skipped("run_cnt:\t0\n"), None);
    }
}

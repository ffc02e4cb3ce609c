//! Which probe goes where in the allocator that a process uses.
//!
//! The trap is the price, so each probe sits on an instruction that the kernel emulates, found by decoding: inside of
//! `malloc` and `calloc` right behind the fast and the slow path, where the result is in a register, and in `free` where
//! the argument still is. Where the code does not look as expected, a return probe takes the place of such a point.

mod decode;
mod probes;

use std::path::Path;

use memwatch_common::names::malloc_probe;

use self::decode::instructions;
use crate::target::{
    Allocator,
    elf::{Elf, Symbol},
    libc,
    library::{self, Library},
    maps::Mapping,
};

/// glibc 2.36 has 107 KiB of `.eh_frame`, libstdc++ 180 KiB.
const MOST_EH_FRAME: u64 = 4 << 20;
/// What allocating functions are called. All are exported, so stripped files have them.
const FUNCTIONS: [&str; 9] = [
    "malloc",
    "calloc",
    "realloc",
    "memalign",
    "aligned_alloc",
    "valloc",
    "pvalloc",
    "posix_memalign",
    "free",
];
/// Functions that pass an allocation on: who calls them is whom we look for.
const WRAPPERS: [&str; 9] = [
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "strdup",
    "__strdup",
    "strndup",
];

/// Why an allocator cannot be probed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MallocPlanError {
    /// Linked statically, or unknown.
    #[error("no mapped file is known to hold its allocator")]
    Unknown,
    /// The file is out of reach, or damaged.
    #[error("cannot read {path}, which holds its allocator: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// A function is missing or cannot be probed.
    #[error("{path} has no `{function}` that can be probed")]
    Incomplete {
        /// The file.
        path: String,
        /// The function.
        function: &'static str,
    },
}

/// How a probe sees a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Behind the slow path: glibc's per-thread cache had no block.
    Miss,
    /// Behind the fast path: it had one.
    Hit,
    /// Entry of the function.
    Entry,
    /// Return of the function.
    Return,
}

/// One place of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MallocProbe {
    /// The function.
    pub function: &'static str,
    /// What the probe sees there.
    pub point: Point,
    /// Where: offset in the file.
    pub file_offset: u64,
    /// Bytes from the stack pointer to the caller's frame ([`Point::Miss`] and [`Point::Hit`] only).
    pub frame: u64,
    /// The instruction there, for people.
    pub instruction: String,
    /// Whether the kernel emulates it; else each hit costs a second trap.
    pub emulated: bool,
}

/// Where every probe goes in one process's allocator.
#[derive(Debug)]
pub struct MallocPlan {
    /// Which allocator.
    pub allocator: Allocator,
    /// The file that holds it.
    pub library: Library,
    /// All places, of which each mode uses some.
    pub probes: Vec<MallocProbe>,
    /// Return addresses in the process inside of functions that pass an allocation on, with the bytes from the stack
    /// pointer there to the caller's frame.
    pub wrappers: Vec<(u64, u64)>,
}

/// A probe of a mode: program, place, cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use<'a> {
    /// The program: one of [`malloc_probe`].
    pub program: &'static str,
    /// Where.
    pub probe: &'a MallocProbe,
    /// What the program is told of the place.
    pub cookie: u64,
    /// Whether almost every call of `malloc` or `free` passes there.
    pub busy: bool,
}

/// What is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Blocks of the slow path.
    Misses,
    /// All blocks that are handed out.
    Allocations,
    /// All blocks that are handed out or freed.
    All,
    /// None: the places of `All`, with programs that do nothing. The bench measures what is added to that.
    Nothing,
}

/// The plan for the allocator of the process `pid`, which has `maps`.
pub fn prepare(pid: u32, maps: &[Mapping]) -> Result<MallocPlan, MallocPlanError> {
    let allocator = libc::allocator(maps).ok_or(MallocPlanError::Unknown)?;
    let mapping = maps.iter().find(|mapping| allocator.is_file(mapping.file_name()));
    let mapping = mapping.ok_or(MallocPlanError::Unknown)?;
    let path = crate::target::text::printable(mapping.file_name());
    let library = library::open(pid, mapping).ok_or_else(|| MallocPlanError::Unreadable {
        path,
        why: "it is out of reach, or no ELF file".to_owned(),
    })?;
    let probes = probes_of(&library, allocator)?;
    let wrappers = wrappers(pid, maps, &library);
    Ok(MallocPlan { allocator, library, probes, wrappers })
}

fn probes_of(library: &Library, allocator: Allocator) -> Result<Vec<MallocProbe>, MallocPlanError> {
    let unreadable = |why: String| MallocPlanError::Unreadable { path: library.path.clone(), why };
    let (elf, path) = (&library.elf, &library.path);
    let unwind = elf.unwind(MOST_EH_FRAME).map_err(|error| unreadable(error.to_string()))?;
    let found = named(elf, &FUNCTIONS).map_err(|error| unreadable(error.to_string()))?;
    let mut all: Vec<MallocProbe> = Vec::new();
    for function in FUNCTIONS {
        let symbol = found.iter().find(|symbol| symbol.name == function);
        let code = symbol.and_then(|symbol| code(elf, symbol));
        let probes =
            code.map(|code| probes::of(elf, function, &code, &unwind, allocator == Allocator::Glibc));
        match probes {
            Some(probes) if !probes.is_empty() => all.extend(probes),
            // The odd ones are not in every allocator.
            _ if !["malloc", "free", "realloc", "calloc"].contains(&function) => {}
            _ => return Err(MallocPlanError::Incomplete { path: path.clone(), function }),
        }
    }
    // `memalign` and `aligned_alloc` are one function in glibc.
    let mut known = std::collections::BTreeSet::new();
    all.retain(|probe| known.insert((probe.file_offset, probe.point)));
    Ok(all)
}

fn named(elf: &Elf, names: &[&str]) -> std::io::Result<Vec<Symbol>> {
    elf.symbols(names, |name| names.contains(&name))
}

/// The instructions of a function, as far as they matter.
fn code(elf: &Elf, symbol: &Symbol) -> Option<Vec<iced_x86::Instruction>> {
    let start = elf.code_offset(symbol.address)?;
    let len = usize::try_from(symbol.size).ok()?.clamp(16, decode::CODE_BYTES);
    let mut bytes = vec![0; len];
    elf.read(start, &mut bytes).ok()?;
    Some(instructions(&bytes, symbol.address))
}

/// Without a C++ library of its own the program itself has the functions, or there are none.
fn wrappers(pid: u32, maps: &[Mapping], libc: &Library) -> Vec<(u64, u64)> {
    let is_cpp = |mapping: &&Mapping| {
        [&b"libstdc++.so"[..], b"libc++.so"].iter().any(|name| mapping.file_name().starts_with(name))
    };
    let cpp = maps.iter().find(is_cpp).or(maps.first()).and_then(|mapping| library::open(pid, mapping));
    [Some(libc), cpp.as_ref()].into_iter().flatten().flat_map(wrappers_in).collect()
}

fn wrappers_in(library: &Library) -> Vec<(u64, u64)> {
    let elf = &library.elf;
    let Ok(unwind) = elf.unwind(MOST_EH_FRAME) else { return Vec::new() };
    let functions = named(elf, &WRAPPERS).unwrap_or_default();
    let codes = functions.iter().filter_map(|symbol| code(elf, symbol));
    codes
        .flat_map(|code| decode::return_addresses(&code).collect::<Vec<_>>())
        .filter_map(|address| Some((address.wrapping_add(library.bias), unwind.frame_offset(address)?)))
        .take(memwatch_common::native::MAX_WRAPPERS as usize / 2)
        .collect()
}

impl MallocPlan {
    /// Whether the slow path alone can be seen.
    #[must_use]
    pub fn has_misses(&self) -> bool {
        self.probes.iter().any(|probe| probe.function == "malloc" && probe.point == Point::Miss)
    }

    /// A path that leads to the file for as long as the plan lives.
    #[must_use]
    pub fn path(&self) -> impl AsRef<Path> {
        self.library.elf.descriptor_path()
    }

    /// What to attach to see `scope`, in this order: rare functions first, as attaching takes its time and what is
    /// attached costs from then on. What has the same program stands together.
    #[must_use]
    pub fn uses(&self, scope: Scope) -> Vec<Use<'_>> {
        let has_chunks = self.allocator == Allocator::Glibc;
        let mut uses: Vec<Use<'_>> =
            self.probes.iter().filter_map(|probe| probes::uses(self, probe, scope, has_chunks)).collect();
        uses.sort_by_key(|one| (one.busy, one.program == malloc_probe::FREED, one.program));
        uses
    }

    /// Whether `function` has points at which its result is known.
    pub(in crate::plan) fn has_point(&self, function: &str) -> bool {
        let is_point = |probe: &MallocProbe| matches!(probe.point, Point::Miss | Point::Hit);
        self.probes.iter().any(|probe| probe.function == function && is_point(probe))
    }

    /// Whether every block of `function` passes one of its points: `malloc` has a fast path, glibc's `calloc` has none.
    pub(in crate::plan) fn points_suffice(&self, function: &str) -> bool {
        let has_hit = self.probes.iter().any(|probe| probe.function == function && probe.point == Point::Hit);
        self.has_point(function) && (function != "malloc" || has_hit)
    }
}

#[cfg(test)]
mod tests;

//! Which probe goes where in the allocator that a process uses.
//!
//! The trap is the price, so each probe sits on an instruction that the kernel emulates, found by decoding: inside of
//! `malloc` and `calloc` right behind the fast and the slow path, where the result is in a register, and in `free` where
//! the argument still is. Where the code does not look as expected, a return probe takes the place of such a point.

mod decode;
mod flow;
mod mappers;
mod musl;
mod probes;
mod wrappers;

use std::{collections::HashMap, path::Path};

use memwatch_common::{names::malloc_probe, native::Spot};

use self::{decode::instructions, musl::Musl};
pub use self::{
    flow::Frame,
    mappers::{Mappers, MappersError},
    wrappers::{Passes, Wrapper},
};
use crate::target::{
    Allocator,
    allocator::{self, Serving},
    elf::{Elf, Symbol},
    library::{self, Library},
    maps::Mapping,
};

/// What allocating functions are called. All are exported, so stripped files have them.
const FUNCTIONS: [&str; 10] = [
    "malloc",
    "calloc",
    "realloc",
    "reallocarray",
    "memalign",
    "aligned_alloc",
    "valloc",
    "pvalloc",
    "posix_memalign",
    "free",
];
/// Why blocks of an allocator are not sampled. jemalloc 5.3: of 2 000 freed blocks of 24, 100, 400 and 20 000 bytes none had
/// changed by a bit.
const UNTOUCHED: &str = "freed blocks cannot be recognised from outside, as free does not change them";
/// Of builds with [`ENCODING`].
const ENCODED: &str =
    "freed blocks cannot be recognised from outside, as what this build writes to them is not known";
/// What is in the read-only data of builds that write something else to freed blocks. mimalloc 1.8 to 3.0 with `MI_SECURE` or
/// `MI_DEBUG` encodes its links with keys of each page, and reports those that are none (`include/mimalloc/internal.h`,
/// `mi_block_next`); gperftools' debugging one fills blocks, and asks how many to keep (`src/debugallocation.cc`).
const ENCODING: [&str; 2] = ["corrupted free list entry", "TCMALLOC_MAX_FREE_QUEUE_SIZE"];
/// Functions whose blocks may begin behind where the allocator's own do, and with them the traces of `free`.
const ALIGNED: [&str; 4] = ["memalign", "aligned_alloc", "valloc", "pvalloc"];

/// Why an allocator cannot be probed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MallocPlanError {
    /// In a static program, or unknown.
    #[error("its malloc is none of an allocator that is known")]
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
    /// Where every block passes once, whichever way it took.
    Result,
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
    /// Where the block, its caller and its size are found there: inside of a function only.
    pub spot: Spot,
    /// The instruction there, for people.
    pub instruction: String,
    /// Whether the kernel emulates it; else each hit costs a second trap.
    pub emulated: bool,
}

/// By what a freed block is told from one that is there, from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// glibc's header before each block, and the links in freed ones.
    Glibc,
    /// The header before each block of musl's `mallocng`, and the books of its group.
    Musl,
    /// The link of a free list, which is all that mimalloc and tcmalloc write over the first word.
    Linked,
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
    /// Functions that pass an allocation on.
    pub wrappers: Vec<Wrapper>,
    /// Where the caller is, from addresses in the process in code that has no tables for unwinding.
    pub frames: HashMap<u64, Frame>,
    /// How freed blocks are told from outside; or why they are not.
    pub marks: Result<Marks, &'static str>,
    /// `operator new` gets its blocks from within the allocator, not from `malloc`. It may throw, hence has no return probe.
    pub has_own_new: bool,
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
    let Serving { allocator, file } = allocator::serving(pid, maps).ok_or(MallocPlanError::Unknown)?;
    let path = crate::target::text::printable(file.file_name());
    let library = library::open(pid, file).ok_or_else(|| MallocPlanError::Unreadable {
        path,
        why: "it is out of reach, or no ELF file".to_owned(),
    })?;
    let mut wrappers = wrappers::in_cpp(pid, maps);
    if allocator != Allocator::Glibc {
        wrappers.extend(wrappers::in_glibc(pid, maps));
    }
    match allocator {
        Allocator::Musl => match Musl::of(&library) {
            Ok(musl) => Ok(musl.plan(library, wrappers)),
            Err(why) => general(library, allocator, wrappers, Err(why)),
        },
        Allocator::Glibc => general(library, allocator, wrappers, Ok(Marks::Glibc)),
        Allocator::Jemalloc => general(library, allocator, wrappers, Err(UNTOUCHED)),
        Allocator::Mimalloc | Allocator::Tcmalloc => {
            let marks = linked(&library);
            general(library, allocator, wrappers, marks)
        }
    }
}

fn linked(library: &Library) -> Result<Marks, &'static str> {
    // What cannot be read is taken to be there.
    let has = |text: &str| library.elf.read_only_data_contains(text).unwrap_or(true);
    if ENCODING.into_iter().any(has) { Err(ENCODED) } else { Ok(Marks::Linked) }
}

/// The plan for an allocator whose functions are probed one by one.
fn general(
    library: Library,
    allocator: Allocator,
    mut wrappers: Vec<Wrapper>,
    marks: Result<Marks, &'static str>,
) -> Result<MallocPlan, MallocPlanError> {
    let probes = probes_of(&library, allocator)?;
    wrappers.extend(wrappers::of(&library));
    let has_own_new = named(&library.elf, &["_Znwm"]).is_ok_and(|found| !found.is_empty());
    Ok(MallocPlan { allocator, library, probes, wrappers, frames: HashMap::new(), marks, has_own_new })
}

fn probes_of(library: &Library, allocator: Allocator) -> Result<Vec<MallocProbe>, MallocPlanError> {
    let unreadable = |why: String| MallocPlanError::Unreadable { path: library.path.clone(), why };
    let (elf, path) = (&library.elf, &library.path);
    let unwind = elf.unwind(wrappers::MOST_EH_FRAME).map_err(|error| unreadable(error.to_string()))?;
    let found = named(elf, &FUNCTIONS).map_err(|error| unreadable(error.to_string()))?;
    let mut all: Vec<MallocProbe> = Vec::new();
    for function in FUNCTIONS.into_iter().filter(|name| is_own(allocator, name)) {
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

/// Whether a function hands out blocks itself: those of one that calls another of [`FUNCTIONS`] would count twice.
fn is_own(allocator: Allocator, function: &str) -> bool {
    match function {
        // glibc's and musl's call `realloc`, which jemalloc and tcmalloc leave at that; mimalloc's is code of its own.
        "reallocarray" => allocator == Allocator::Mimalloc,
        // gperftools' calls `memalign` (`src/tcmalloc.cc`, seen in 2.10).
        "posix_memalign" => allocator != Allocator::Tcmalloc,
        _ => true,
    }
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

impl MallocPlan {
    /// Whether the slow path alone can be seen.
    #[must_use]
    pub fn has_misses(&self) -> bool {
        self.has("malloc", Point::Miss)
    }

    /// Which blocks are not seen even while all are to be, in words.
    #[must_use]
    pub fn unseen(&self, scope: Scope) -> Option<&'static str> {
        match (self.allocator, scope) {
            // `mremap`: its blocks of 128 KiB and more have mappings of their own (`MMAP_THRESHOLD`, `realloc.c`).
            (Allocator::Musl, Scope::Allocations) => {
                Some("what `realloc` adds to a block of 128 KiB and more")
            }
            (Allocator::Mimalloc | Allocator::Tcmalloc, Scope::Allocations) => {
                Some("what the allocator's own `operator new` hands out, nor blocks of a wanted alignment")
            }
            _ if self.has_own_new => Some("what the allocator's own `operator new` hands out"),
            _ => None,
        }
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
        let mut uses: Vec<Use<'_>> =
            self.probes.iter().filter_map(|probe| probes::uses(self, probe, scope)).collect();
        uses.sort_by_key(|one| (one.busy, one.program == malloc_probe::FREED, one.program));
        uses
    }

    /// Whether each block has a header from which its size is read.
    #[must_use]
    pub fn has_chunks(&self) -> bool {
        self.allocator == Allocator::Glibc
    }

    /// Whether `function` has such a point.
    pub(in crate::plan) fn has(&self, function: &str, point: Point) -> bool {
        self.probes.iter().any(|probe| probe.function == function && probe.point == point)
    }

    /// Whether every block of `function` passes one of its points: glibc's `malloc` has a fast path, its `calloc` has none.
    pub(in crate::plan) fn points_suffice(&self, function: &str) -> bool {
        let has = |point| self.has(function, point);
        has(Point::Result) || has(Point::Hit) || has(Point::Miss) && function != "malloc"
    }
}

#[cfg(test)]
mod tests;

//! Functions that pass an allocation on: who calls them is whom we look for.

use super::{code, decode, named};
use crate::target::{
    libc::is_glibc,
    library::{self, Library},
    maps::Mapping,
};

/// glibc 2.36 has 107 KiB of `.eh_frame`, libstdc++ 180 KiB.
pub(super) const MOST_EH_FRAME: u64 = 4 << 20;
/// What they are called. gperftools' `posix_memalign` calls its `memalign`.
pub(super) const WRAPPERS: [&str; 10] = [
    "_Znwm",
    "_Znam",
    "_ZnwmRKSt9nothrow_t",
    "_ZnamRKSt9nothrow_t",
    "_ZnwmSt11align_val_t",
    "_ZnamSt11align_val_t",
    "strdup",
    "__strdup",
    "strndup",
    "posix_memalign",
];
/// Addresses of one file: three files have some, those of C++, of C and of the allocator.
pub(super) const MOST: usize = memwatch_common::native::MAX_WRAPPERS as usize / 3;

/// When a block that is handed out to a function is the block of the function's caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passes {
    /// Always.
    Always,
    /// While blocks are sampled: while they are followed, the function has probes of its own.
    Sampled,
    /// Never: it makes another block of it.
    Never,
}

/// Where a function that passes an allocation on gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrapper {
    /// The address in the process that the allocation returns to.
    pub address: u64,
    /// Bytes from the stack pointer there to the caller's frame.
    pub frame: u64,
    /// Whose the block is.
    pub passes: Passes,
}

impl Wrapper {
    /// What the kernel side is told: the frame, or 0 if the block is not to be counted.
    #[must_use]
    pub fn frame_told(&self, follow: bool) -> u64 {
        match self.passes {
            Passes::Always => self.frame,
            Passes::Sampled if !follow => self.frame,
            Passes::Sampled | Passes::Never => 0,
        }
    }
}

/// Those of C++. Without a library of its own the program itself has them, or there are none.
pub(super) fn in_cpp(pid: u32, maps: &[Mapping]) -> Vec<Wrapper> {
    let is_cpp = |mapping: &&Mapping| {
        [&b"libstdc++"[..], b"libc++"].iter().any(|name| mapping.file_name().starts_with(name))
    };
    let cpp = maps.iter().find(is_cpp).or(maps.first()).and_then(|mapping| library::open(pid, mapping));
    cpp.iter().flat_map(of).collect()
}

/// Those of glibc where another library serves its calls of `malloc`.
pub(super) fn in_glibc(pid: u32, maps: &[Mapping]) -> Vec<Wrapper> {
    let glibc = maps.iter().find(|mapping| is_glibc(mapping)).and_then(|mapping| library::open(pid, mapping));
    glibc.iter().flat_map(of).collect()
}

/// Those of a file with tables for unwinding.
pub(super) fn of(library: &Library) -> Vec<Wrapper> {
    let elf = &library.elf;
    let Ok(unwind) = elf.unwind(MOST_EH_FRAME) else { return Vec::new() };
    let functions = named(elf, &WRAPPERS).unwrap_or_default();
    let codes = functions.iter().filter_map(|symbol| code(elf, symbol));
    codes
        .flat_map(|code| decode::return_addresses(&code).collect::<Vec<_>>())
        .filter_map(|at| {
            let (address, frame) = (at.wrapping_add(library.bias), unwind.frame_offset(at)?);
            Some(Wrapper { address, frame, passes: Passes::Always })
        })
        .take(MOST)
        .collect()
}

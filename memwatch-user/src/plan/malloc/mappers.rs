//! The C library's functions that ask the kernel for memory, where the kernel lets nobody at its own: each makes its system call
//! in one place, behind which the arguments are where they were and the result is beside them.

use std::collections::HashMap;

use iced_x86::{Instruction, Mnemonic};
use memwatch_common::{names::mapping_probe, native::Spot};

use super::{
    MallocProbe, Point, Use, code,
    flow::{Flow, Frame},
    named, probes,
};
use crate::{
    plan::placement::is_emulated,
    target::{
        elf::{Elf, Symbol},
        libc::{self, Libc},
        library::{self, Library},
        maps::Mapping,
    },
};

/// Functions that take mappings away.
const TAKING: [&str; 2] = ["munmap", "mremap"];

/// Why a process's C library cannot be probed where it maps memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappersError {
    /// None that is known.
    #[error("it has no C library that is known")]
    Unknown,
    /// Out of reach, or damaged.
    #[error("its C library cannot be read, or is no ELF file")]
    Unreadable,
    /// A function is missing, or looks otherwise than expected.
    #[error("{path} has no `{function}` that can be probed")]
    Incomplete {
        /// The file.
        path: String,
        /// The function.
        function: &'static str,
    },
}

/// A process's C library, as far as it maps memory.
#[derive(Debug)]
pub struct Mappers {
    /// The file.
    pub library: Library,
    /// Where probes go, with their programs.
    pub probes: Vec<(&'static str, MallocProbe)>,
    /// Where the caller is, from addresses in the process in code that has no tables for unwinding.
    pub frames: HashMap<u64, Frame>,
}

impl Mappers {
    /// Of the process `pid` with `maps`.
    pub fn of(pid: u32, maps: &[Mapping]) -> Result<Self, MappersError> {
        let is_libc = |mapping: &&Mapping| libc::is_libc(mapping.file_name());
        let mapping = maps.iter().find(is_libc).ok_or(MappersError::Unknown)?;
        let library = library::open(pid, mapping).ok_or(MappersError::Unreadable)?;
        let functions = functions(&library.elf);
        let probes = functions.iter().flat_map(|(name, symbol)| places(&library.elf, name, symbol)).collect();
        let frames = if libc::of_file(mapping.file_name()) == Some(Libc::Musl) {
            frames(&library, &functions)
        } else {
            HashMap::new()
        };
        Ok(Self { library, probes, frames })
    }

    /// All places. The error names a function that has none.
    pub fn uses(&self) -> Result<Vec<Use<'_>>, MappersError> {
        for (program, function) in mapping_probe::AFTER {
            if !self.probes.iter().any(|(of, _)| *of == program) {
                return Err(MappersError::Incomplete { path: self.library.path.clone(), function });
            }
        }
        let one = |(program, probe)| Use { program, probe, cookie: 0, busy: false };
        Ok(self.probes.iter().map(|(program, probe)| one((*program, probe))).collect())
    }
}

/// By name; aliases of one function are one.
fn functions(elf: &Elf) -> Vec<(&'static str, Symbol)> {
    let symbol = |(_, name): (_, &'static str)| Some((name, named(elf, &[name]).ok()?.into_iter().next()?));
    mapping_probe::AFTER.into_iter().filter_map(symbol).collect()
}

/// Behind every system call of the function, and at its entry if it takes something away.
fn places(elf: &Elf, name: &'static str, symbol: &Symbol) -> Vec<(&'static str, MallocProbe)> {
    let Some(code) = code(elf, symbol) else { return Vec::new() };
    let Some((after, _)) = mapping_probe::AFTER.into_iter().find(|(_, function)| *function == name) else {
        return Vec::new();
    };
    let behind = behind_calls(&code).into_iter().map(|at| (after, Point::Result, at));
    let entry =
        code.first().filter(|_| TAKING.contains(&name)).map(|at| (mapping_probe::BEFORE, Point::Entry, at));
    let probe = |(program, point, at): (_, _, &Instruction)| {
        Some((program, probes::at(elf, name, point, at, Spot::default())?))
    };
    behind.chain(entry).filter_map(probe).collect()
}

/// The instructions behind the system calls; where that only compares the result, the jump behind it, which the kernel
/// emulates: half a microsecond instead of ten on a virtual machine.
fn behind_calls(code: &[Instruction]) -> Vec<&Instruction> {
    let calls = code.iter().enumerate().filter(|(_, one)| one.mnemonic() == Mnemonic::Syscall);
    let behind = |(at, _): (usize, _)| match code.get(at + 1..at + 3) {
        Some([compare, jump]) if compare.mnemonic() == Mnemonic::Cmp && is_emulated(jump) => Some(jump),
        _ => code.get(at + 1),
    };
    calls.filter_map(behind).collect()
}

fn frames(library: &Library, functions: &[(&str, Symbol)]) -> HashMap<u64, Frame> {
    let flows = functions.iter().filter_map(|(_, symbol)| Flow::of(&library.elf, symbol.address));
    let frames = flows.flat_map(|flow| flow.frames());
    frames.map(|(at, frame)| (at.wrapping_add(library.bias), frame)).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::decode, *};
    use crate::target::maps;

    #[test]
    fn a_probe_goes_where_the_result_is_and_the_kernel_emulates() {
        // mov eax,9; syscall; cmp rax,-4096; ja; ret
        let glibc = [0xb8, 9, 0, 0, 0, 0x0f, 5, 0x48, 0x3d, 0, 0xf0, 0xff, 0xff, 0x77, 1, 0xc3];
        // syscall; mov rdi,rax; jmp
        let musl = [0x0f, 5, 0x48, 0x89, 0xc7, 0xeb, 0];
        for (bytes, expected) in [(&glibc[..], 13), (&musl[..], 2)] {
            let code = decode::instructions(bytes, 0);
            let places: Vec<u64> = behind_calls(&code).into_iter().map(Instruction::ip).collect();
            assert_eq!(places, [expected], "{bytes:x?}");
        }
    }

    #[test]
    fn our_own_library_has_all_of_them() {
        let pid = std::process::id();
        let mappers = Mappers::of(pid, &maps::of(pid).unwrap()).unwrap();
        let uses = mappers.uses().unwrap();
        let count = |program: &str| uses.iter().filter(|one| one.program == program).count();
        let counts = [mapping_probe::BEFORE, "mmap_after", "munmap_after", "mremap_after"].map(count);
        assert!(counts[0] == 2 && counts[1..].iter().all(|count| *count >= 1), "{counts:?}");
    }
}

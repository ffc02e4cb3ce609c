//! Finds glibc's books in a process: derived from the code of its C library, then compared with what is in memory there.

use std::{io, os::unix::ffi::OsStrExt, path::Path};

use thiserror::Error;

use super::{
    Books, arena,
    decode::{self, DecodeError},
    layout::{KNOWN, MAX_MMAPPED, NEXT, SAFE_LINKING, SYSTEM_MEM, Version},
    memory::Memory,
};
use crate::target::{
    Allocator,
    allocator::{self, Serving},
    elf::{Elf, ElfError, Machine, Symbol},
    file, image,
    maps::Mapping,
    text::printable,
};

/// More code than either function has; `malloc_stats` has some 550 bytes.
const MAX_CODE: u64 = 4096;
/// The longest version there can be, as text.
const MAX_VERSION: usize = 16;

/// Why there are no books to read. Names in messages are fit to be shown.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// None that is known: a static program, or one that has only just begun to start.
    #[error("its malloc is none of an allocator that is known")]
    NoLibc,
    /// Another allocator, which gives its figures to callers only.
    #[error("malloc is served by {}, whose statistics can only be read from within the process", .allocator.name())]
    Foreign {
        /// Which.
        allocator: Allocator,
    },
    /// Nothing was ever allocated from glibc, though it is there.
    #[error("malloc is not served by glibc, which has handed out nothing, but by an unknown allocator")]
    Unused,
    /// Its file is out of reach.
    #[error("{path} has been replaced on disk: opening the mapped file needs root or CAP_CHECKPOINT_RESTORE")]
    Replaced {
        /// Its name in the process.
        path: String,
    },
    /// Its file or the memory of the process cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("cannot read {path}: {source}")]
    Elf {
        /// Its name in the process.
        path: String,
        /// What is wrong with it.
        source: ElfError,
    },
    /// Its instructions are not understood.
    #[error("glibc's code is not understood on {machine:?}")]
    Machine {
        /// Which machine's they are.
        machine: Machine,
    },
    /// A function that it should export is not there.
    #[error("glibc does not export {function}")]
    Missing {
        /// Its name.
        function: &'static str,
    },
    /// The code is not of the known form.
    #[error("the code of glibc's {function} is of an unknown form: {source}")]
    Code {
        /// Whose.
        function: &'static str,
        /// What is not there.
        source: DecodeError,
    },
    /// A release whose structures are not known.
    #[error("where glibc {}.{} keeps its statistics is not known; {}.{} to {}.{} are supported", .version.0, .version.1,
        KNOWN.start().0, KNOWN.start().1, KNOWN.end().0, KNOWN.end().1)]
    Release {
        /// Which.
        version: (u32, u32),
    },
    /// What is in memory contradicts what was derived.
    #[error("glibc's statistics are not where its code says: {why}")]
    Contradiction {
        /// In what.
        why: &'static str,
    },
}

/// Where the books of a process are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located {
    /// The main arena.
    pub(super) main_arena: u64,
    /// `mp_.mmapped_mem`.
    pub(super) mmapped: u64,
    /// Whether links of fastbins are mangled.
    pub(super) safe_linking: bool,
}

impl Books {
    /// Finds the books of `pid`, which has `maps`. To be asked again when it fails: a process that is starting has no C
    /// library yet, or has not allocated anything.
    pub fn locate(pid: u32, maps: &[Mapping]) -> Result<Self, Unreadable> {
        let library = Library::open(pid, maps)?;
        let path = format!("/proc/{pid}/mem");
        let memory = file::memory(pid).map_err(|source| Unreadable::Io { path, source })?;
        let located = library.locate(&memory)?;
        check(&memory, &located)?;
        Ok(Self { memory, located })
    }
}

fn contradiction(why: &'static str) -> Unreadable {
    Unreadable::Contradiction { why }
}

/// Compares what is there with what must be.
fn check(memory: &impl Memory, located: &Located) -> Result<(), Unreadable> {
    let word = |at: u64| memory.word(at).ok_or(contradiction("it cannot be read"));
    if word(located.main_arena + SYSTEM_MEM as u64)? == 0 {
        return Err(Unreadable::Unused);
    }
    arena::ring(memory, located.main_arena).map_err(contradiction)?;
    if word(located.mmapped)? > word(located.mmapped + MAX_MMAPPED)? {
        return Err(contradiction("more bytes are mapped than ever were"));
    }
    Ok(())
}

/// The C library of a process.
struct Library {
    elf: Elf,
    bias: u64,
    path: String,
}

impl Library {
    fn open(pid: u32, maps: &[Mapping]) -> Result<Self, Unreadable> {
        let mapping = match allocator::serving(pid, maps).ok_or(Unreadable::NoLibc)? {
            Serving { allocator: Allocator::Glibc, file } => file,
            Serving { allocator, .. } => return Err(Unreadable::Foreign { allocator }),
        };
        let path = printable(mapping.path.as_os_str().as_bytes());
        let file =
            image::mapped_file(pid, mapping).ok_or_else(|| Unreadable::Replaced { path: path.clone() })?;
        let elf = open(&file, &path)?;
        let bias = elf.bias(mapping.start, mapping.offset).ok_or(contradiction("its file is another one"))?;
        Ok(Self { elf, bias, path })
    }

    fn locate(&self, memory: &impl Memory) -> Result<Located, Unreadable> {
        let version = self.version(memory)?;
        let places = self.understand("malloc_stats", decode::places)?;
        if !KNOWN.contains(&version) {
            return Err(Unreadable::Release { version });
        }
        if places.next != NEXT as u64 {
            return Err(contradiction("the arenas' links are elsewhere"));
        }
        Ok(Located {
            main_arena: self.bias.wrapping_add(places.main_arena),
            mmapped: self.bias.wrapping_add(places.mmapped),
            safe_linking: version >= SAFE_LINKING,
        })
    }

    fn version(&self, memory: &impl Memory) -> Result<Version, Unreadable> {
        let text = self.understand("gnu_get_libc_version", decode::returned_text)?;
        let mut bytes = [0; MAX_VERSION];
        memory.fill(self.bias.wrapping_add(text), &mut bytes).ok_or(contradiction("it has no version"))?;
        decode::version(&bytes).ok_or(contradiction("its version is no number"))
    }

    /// What `decode` makes of the code of `function`.
    fn understand<T>(
        &self,
        function: &'static str,
        decode: impl Fn(&[u8], u64) -> Result<T, DecodeError>,
    ) -> Result<T, Unreadable> {
        let Machine::X86_64 = self.elf.machine else {
            return Err(Unreadable::Machine { machine: self.elf.machine });
        };
        let found = self.elf.symbols(&[function], |name| name == function);
        let found = found.map_err(|source| self.unread(source))?;
        let symbol = found.first().ok_or(Unreadable::Missing { function })?;
        let code = self.code(symbol)?.ok_or(Unreadable::Missing { function })?;
        decode(&code, symbol.address).map_err(|source| Unreadable::Code { function, source })
    }

    fn code(&self, symbol: &Symbol) -> Result<Option<Vec<u8>>, Unreadable> {
        let Some(offset) = self.elf.code_offset(symbol.address) else { return Ok(None) };
        let mut code = vec![0; usize::try_from(symbol.size.min(MAX_CODE)).unwrap_or_default()];
        self.elf.read(offset, &mut code).map_err(|source| self.unread(source))?;
        Ok(Some(code))
    }

    fn unread(&self, source: io::Error) -> Unreadable {
        Unreadable::Io { path: self.path.clone(), source }
    }
}

fn open(file: &Path, path: &str) -> Result<Elf, Unreadable> {
    Elf::open(file).map_err(|source| Unreadable::Elf { path: path.to_owned(), source })
}

//! What serves `malloc` in a process, and which of its files holds it.
//!
//! The process itself knows: the dynamic loader wrote the address of the function that the program calls into one of its
//! slots. So an allocator is found whether it was preloaded under any name, linked, or made part of the program. Where that
//! slot cannot be read, or has yet to be filled, the names of the mapped files tell.

use std::{fs, os::unix::fs::FileExt, path::PathBuf};

use super::{
    elf::Elf,
    file,
    libc::{self, Libc},
    library,
    maps::Mapping,
};

/// What serves `malloc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocator {
    /// glibc's own.
    Glibc,
    /// musl's own.
    Musl,
    /// jemalloc.
    Jemalloc,
    /// mimalloc.
    Mimalloc,
    /// tcmalloc.
    Tcmalloc,
}

/// Those that are no C library's, and what is in the read-only data of every build of theirs: jemalloc 5.3's messages, those
/// of mimalloc 1.8 to 3.0 (`src/options.c`), a variable of gperftools 2.10 (`src/page_heap.cc`).
const OTHERS: [(Allocator, &str); 3] = [
    (Allocator::Jemalloc, "<jemalloc>: "),
    (Allocator::Mimalloc, "mimalloc: error: "),
    (Allocator::Tcmalloc, "TCMALLOC_HEAP_LIMIT_MB"),
];
/// What a library needs that passes calls on to the one after it.
const NEXT: &str = "dlsym";

/// What serves `malloc` in a process.
#[derive(Clone, Copy, Debug)]
pub struct Serving<'m> {
    /// Which allocator.
    pub allocator: Allocator,
    /// The first mapping of the file that holds it.
    pub file: &'m Mapping,
}

impl Allocator {
    /// Name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
            Self::Jemalloc => "jemalloc",
            Self::Mimalloc => "mimalloc",
            Self::Tcmalloc => "tcmalloc",
        }
    }

    /// The one that a mapped file of this name holds.
    #[must_use]
    pub fn of_file(name: &[u8]) -> Option<Self> {
        match name {
            _ if name.starts_with(b"libjemalloc") => Some(Self::Jemalloc),
            _ if name.starts_with(b"libmimalloc") => Some(Self::Mimalloc),
            _ if name.starts_with(b"libtcmalloc") => Some(Self::Tcmalloc),
            _ => libc::of_file(name).map(|libc| match libc {
                Libc::Glibc => Self::Glibc,
                Libc::Musl => Self::Musl,
            }),
        }
    }
}

/// What serves `malloc` in the process `pid`, which has `maps`; `None` if it is none that is known.
#[must_use]
pub fn serving(pid: u32, maps: &[Mapping]) -> Option<Serving<'_>> {
    match called(pid, maps) {
        Some(file) => in_file(pid, file).or_else(|| by_name(maps).filter(|_| passes_on(pid, file))),
        None => by_name(maps),
    }
}

/// The file whose `malloc` the program calls: its own, or the one that the dynamic loader found.
fn called(pid: u32, maps: &[Mapping]) -> Option<&Mapping> {
    let exe = PathBuf::from(format!("/proc/{pid}/exe"));
    let name = fs::read_link(&exe).ok()?;
    let program = maps.iter().find(|mapping| mapping.path == name)?;
    let elf = Elf::open(&exe).ok()?;
    if elf.exports("malloc").ok()? {
        return Some(program);
    }
    let bias = elf.bias(program.start, program.offset)?;
    let memory = file::memory(pid).ok()?;
    let word = |address: u64| {
        let mut word = [0; 8];
        memory.read_exact_at(&mut word, address).ok().map(|()| u64::from_le_bytes(word))
    };
    let addresses = elf.slots("malloc").ok()?.into_iter().filter_map(|slot| word(slot.wrapping_add(bias)));
    // Until the first call a slot leads into the program itself, from where the loader is called.
    let mut files = addresses.filter_map(|address| holding(maps, address));
    files
        .find(|file| file.path != name)
        .and_then(|file| maps.iter().find(|mapping| mapping.path == file.path))
}

fn holding(maps: &[Mapping], address: u64) -> Option<&Mapping> {
    maps.iter().find(|mapping| (mapping.start..mapping.end).contains(&address))
}

/// The allocator that `file` is or has in it.
fn in_file(pid: u32, file: &Mapping) -> Option<Serving<'_>> {
    let by_text = || {
        let library = library::open(pid, file)?;
        let has = |text| library.elf.read_only_data_contains(text).unwrap_or(false);
        OTHERS.into_iter().find(|(_, text)| has(text)).map(|(allocator, _)| allocator)
    };
    let allocator = Allocator::of_file(file.file_name()).or_else(by_text)?;
    Some(Serving { allocator, file })
}

/// Whether a library that is none of the known allocators may count or trace calls and pass them on, as heaptrack does.
fn passes_on(pid: u32, file: &Mapping) -> bool {
    let elf = library::open(pid, file).map(|library| library.elf);
    elf.is_some_and(|elf| {
        let is_library = !elf.slots(NEXT).unwrap_or_default().is_empty();
        is_library && fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program != file.path)
    })
}

/// By the names of the files: a library goes before the C library.
fn by_name(maps: &[Mapping]) -> Option<Serving<'_>> {
    let known =
        |file| Allocator::of_file(Mapping::file_name(file)).map(|allocator| Serving { allocator, file });
    let is_libc = |serving: &Serving<'_>| libc::is_libc(serving.file.file_name());
    let all = || maps.iter().filter_map(known);
    all().find(|serving| !is_libc(serving)).or_else(|| all().next())
}

#[cfg(test)]
mod tests {
    use super::{super::maps::tests::named, *};

    #[test]
    fn a_library_goes_before_the_c_library() {
        for (paths, expected) in [
            (&["/usr/bin/node", "/lib/x86_64-linux-gnu/libc.so.6"][..], Some("glibc")),
            (&["/lib/ld-musl-x86_64.so.1"], Some("musl")),
            (&["/lib/libc.so.6", "/usr/lib/libjemalloc.so.2 (deleted)"], Some("jemalloc")),
            (&["/usr/lib/libmimalloc.so.2.0", "/lib/ld-musl-x86_64.so.1"], Some("mimalloc")),
            (&["/lib/libc.so.6", "/usr/lib/libtcmalloc_minimal.so.4"], Some("tcmalloc")),
            (&["/static/node"], None),
        ] {
            let maps = named(paths);
            assert_eq!(by_name(&maps).map(|serving| serving.allocator.name()), expected, "{paths:?}");
        }
    }

    #[test]
    fn our_own_malloc_is_where_our_own_slot_leads() {
        let pid = std::process::id();
        let maps = super::super::maps::of(pid).unwrap();
        let file = called(pid, &maps).unwrap();
        assert!(libc::is_libc(file.file_name()), "{file:?}");
        assert!(!passes_on(pid, file) && serving(pid, &maps).is_some());
    }
}

//! An ELF file, read piece by piece: a plan that is cached needs a few kilobytes of a file of 150 MB.
//!
//! The file is read, not mapped: a mapped file that is cut short meanwhile kills the reader (SIGBUS).

mod code;
mod deadline;
#[cfg(test)]
mod hostile;
mod limits;
mod links;
mod symbols;
mod unwind;

use std::{
    fs::File,
    io,
    ops::Range,
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::{Path, PathBuf},
};

use object::{
    LittleEndian as LE, ReadCache, ReadRef,
    elf::{self, FileHeader64},
    read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::file;

pub(crate) use deadline::Deadline;
#[cfg(test)]
pub(crate) use symbols::Table;
pub(crate) use symbols::{Symbol, SymbolRef};
pub(crate) use unwind::{Section, Unwind};

/// Longer build ids are cut off; the longest in use (SHA-256) has 32 bytes.
const MAX_BUILD_ID: usize = 64;

/// Why a file could not be understood.
#[derive(Debug, Error)]
pub enum ElfError {
    /// It could not be opened or read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not a 64-bit little-endian ELF file, or damaged.
    #[error("not a sound 64-bit ELF file: {0}")]
    Format(#[from] object::Error),
    /// A part of it is too large to be read, and larger than in any build of Node.
    #[error("its {0} is larger than that of any build of Node.js")]
    TooLarge(&'static str),
}

/// Instructions of which machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Machine {
    /// x86-64.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
    /// Something else, by its `e_machine`.
    Other(u16),
}

/// An open ELF file.
#[derive(Debug)]
pub struct Elf {
    file: File,
    /// Its instructions.
    pub machine: Machine,
    /// Its GNU build id in hexadecimal.
    pub build_id: Option<String>,
    segments: Vec<Segment>,
    dynamic: Option<SymbolTable>,
    full: Option<SymbolTable>,
    read_only: Option<Range<u64>>,
    /// Tables of what the dynamic loader fills in.
    relocations: Vec<Range<u64>>,
}

/// A loaded part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    offset: u64,
    address: u64,
    file_size: u64,
    executable: bool,
}

impl Segment {
    /// Whether it ends where an offset can be. The others cannot be loaded, and sums of theirs would overflow.
    fn is_plausible(&self) -> bool {
        const END: u64 = 1 << 62;
        let ends = |start: u64| start.checked_add(self.file_size).is_some_and(|end| end < END);
        ends(self.offset) && ends(self.address)
    }
}

/// Where in the file a symbol table and its names are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SymbolTable {
    symbols: Range<u64>,
    names: Range<u64>,
}

impl Elf {
    /// Opens `path`, if it is a regular file, and reads its headers.
    pub fn open(path: &Path) -> Result<Self, ElfError> {
        Self::from_file(file::open(path)?)
    }

    /// Reads the headers of `file`.
    pub fn from_file(file: File) -> Result<Self, ElfError> {
        let cache = ReadCache::new(&file);
        let header = FileHeader64::<LE>::parse(&cache)?;
        limits::headers(header, &cache)?;
        let segments = loaded_segments(header, &cache)?;
        let sections = Sections::read(header, &cache)?;
        let machine = match header.e_machine.get(LE) {
            elf::EM_X86_64 => Machine::X86_64,
            elf::EM_AARCH64 => Machine::Aarch64,
            other => Machine::Other(other),
        };
        let build_id = build_id(header, &cache)?;
        let Sections { dynamic, full, read_only, relocations } = sections;
        drop(cache);
        Ok(Self { file, machine, build_id, segments, dynamic, full, read_only, relocations })
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// A path that leads to this very file for as long as it is open here, whatever becomes of the names it had.
    #[must_use]
    pub fn descriptor_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// This very file, open once more.
    pub fn descriptor(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Fills `to` from `offset` of the file.
    pub fn read(&self, offset: u64, to: &mut [u8]) -> io::Result<()> {
        deadline::check()?;
        self.file.read_exact_at(to, offset)
    }

    /// Bytes of the section `.rodata` in the file; an error if there are too many of them to be read.
    pub fn read_only_data(&self) -> io::Result<Option<Range<u64>>> {
        let range = self.read_only.clone();
        range
            .as_ref()
            .map_or(Ok(()), |range| limits::check(range, limits::MAX_READ_ONLY, "read-only data"))?;
        Ok(range)
    }

    /// Where in the file the instruction at `address` is; `None` outside of executable segments.
    #[must_use]
    pub fn code_offset(&self, address: u64) -> Option<u64> {
        self.segments.iter().filter(|segment| segment.executable).find_map(|segment| {
            let inside = address.checked_sub(segment.address)?;
            (inside < segment.file_size).then(|| segment.offset + inside)
        })
    }

    /// How far a process has the file above its linked addresses, given one of its mappings.
    #[must_use]
    pub fn bias(&self, mapping_start: u64, mapping_offset: u64) -> Option<u64> {
        let page = |value: u64| value & !0xfff;
        self.segments.iter().find_map(|segment| {
            let inside = mapping_offset.checked_sub(page(segment.offset))?;
            let size = segment.offset - page(segment.offset) + segment.file_size;
            (inside < size).then(|| mapping_start.wrapping_sub(page(segment.address) + inside))
        })
    }
}

fn loaded_segments<'data, R: ReadRef<'data>>(
    header: &FileHeader64<LE>,
    data: R,
) -> object::Result<Vec<Segment>> {
    let headers = header.program_headers(LE, data)?.iter();
    let loaded = headers.filter(|header| header.p_type(LE) == elf::PT_LOAD);
    Ok(loaded
        .map(|header| Segment {
            offset: header.p_offset(LE),
            address: header.p_vaddr(LE),
            file_size: header.p_filesz(LE),
            executable: header.p_flags(LE) & elf::PF_X != 0,
        })
        .filter(Segment::is_plausible)
        .collect())
}

/// From the notes, which survive stripping.
fn build_id<'data, R: ReadRef<'data>>(header: &FileHeader64<LE>, data: R) -> object::Result<Option<String>> {
    for segment in header.program_headers(LE, data)?.iter().filter(|one| limits::is_plausible_note(one)) {
        let Some(mut notes) = segment.notes(LE, data)? else { continue };
        while let Some(note) = notes.next()? {
            if note.name() == elf::ELF_NOTE_GNU && note.n_type(LE) == elf::NT_GNU_BUILD_ID {
                return Ok(Some(hex(note.desc())));
            }
        }
    }
    Ok(None)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xf)]);
    bytes.iter().take(MAX_BUILD_ID).flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[derive(Default)]
struct Sections {
    dynamic: Option<SymbolTable>,
    full: Option<SymbolTable>,
    read_only: Option<Range<u64>>,
    relocations: Vec<Range<u64>>,
}

impl Sections {
    fn read<'data, R: ReadRef<'data>>(header: &FileHeader64<LE>, data: R) -> object::Result<Self> {
        let sections = header.sections(LE, data)?;
        let len = data.len().unwrap_or_default();
        let range = |section: &elf::SectionHeader64<LE>| {
            let (start, size) = section.file_range(LE)?;
            start.checked_add(size).filter(|end| *end <= len).map(|end| start..end)
        };
        let mut found = Self::default();
        for section in sections.iter() {
            let table = || {
                let names = sections.section(section.link(LE)).ok()?;
                Some(SymbolTable { symbols: range(section)?, names: range(names)? })
            };
            match section.sh_type(LE) {
                elf::SHT_DYNSYM => found.dynamic = table(),
                elf::SHT_SYMTAB => found.full = table(),
                elf::SHT_RELA => found.relocations.extend(range(section)),
                elf::SHT_PROGBITS if sections.section_name(LE, section)? == b".rodata" => {
                    found.read_only = range(section);
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(segments: Vec<Segment>) -> Elf {
        let file = File::open("/dev/null").unwrap();
        let machine = Machine::X86_64;
        let (dynamic, full, read_only, relocations) = (None, None, None, Vec::new());
        Elf { file, machine, build_id: None, segments, dynamic, full, read_only, relocations }
    }

    /// The segments of a musl build: the third begins in the middle of a page of the file.
    fn sample() -> Elf {
        let segment =
            |offset, address, file_size, executable| Segment { offset, address, file_size, executable };
        elf(vec![
            segment(0, 0x40_0000, 0x5000, false),
            segment(0x6000, 0x70_6000, 0x2000, true),
            segment(0x8160, 0x90_9160, 0x1000, false),
        ])
    }

    #[test]
    fn addresses_become_file_offsets_inside_executable_segments_only() {
        for (address, offset) in [
            (0x70_6000, Some(0x6000)),
            (0x70_7fff, Some(0x7fff)),
            (0x70_8000, None),
            (0x40_0010, None),
            (0x90_9160, None),
            (0, None),
        ] {
            assert_eq!(sample().code_offset(address), offset, "{address:#x}");
        }
    }

    #[test]
    fn the_bias_is_what_a_mapping_is_above_its_linked_address() {
        for (start, offset, bias) in [
            (0x40_0000, 0, Some(0)),
            (0x7f00_0000_0000, 0, Some(0x7eff_ffc0_0000)),
            (0x1070_7000, 0x7000, Some(0x1000_0000)),
            (0x1090_9000, 0x8000, Some(0x1000_0000)),
            (0x1000, 0xf_0000, None),
        ] {
            assert_eq!(sample().bias(start, offset), bias, "{start:#x} {offset:#x}");
        }
    }

    #[test]
    fn what_is_no_elf_file_is_an_error() {
        assert!(matches!(Elf::open(Path::new("/proc/self/stat")), Err(ElfError::Format(_))));
        assert!(matches!(Elf::open(Path::new("/no/such/file")), Err(ElfError::Io(_))));
    }

    #[test]
    fn our_own_program_is_read() {
        let us = Elf::open(Path::new("/proc/self/exe")).unwrap();
        assert!(us.read_only_data().unwrap().is_some_and(|range| !range.is_empty()));
        let found = us.symbols(&["_ZN", "_R"], |name| name.contains("our_own_program_is_read")).unwrap();
        let same = us.symbol(found[0].at).unwrap();
        assert_eq!(same.as_ref(), Some(&found[0]));
        assert!(us.code_offset(found[0].address).is_some());
    }
}

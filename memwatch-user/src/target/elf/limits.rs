//! How much of a file is read. Anybody may run a program whose headers promise gigabytes, and name it as a watch expects:
//! what is larger than in any build of Node is refused, and the error says which part it was.
//!
//! The largest of the official builds of Node 12 to 26: 7.8 MB of names in `.dynstr`, 19 MB in `.strtab`, 4 MB of symbols,
//! 59 MB of `.rodata`, 46 MB of code, 41 section headers, 16 program headers, 64 bytes of notes.

use std::{io, ops::Range};

use object::{
    LittleEndian as LE, ReadRef,
    elf::{FileHeader64, ProgramHeader64},
    read::elf::{FileHeader as _, ProgramHeader as _},
};

use super::ElfError;

const MIB: u64 = 1 << 20;

/// Headers of sections: a program linked with every function in a section of its own has some thousands.
const MAX_SECTIONS: usize = 8_192;
/// Headers of segments.
const MAX_SEGMENTS: usize = 128;
/// Bytes of one segment of notes.
const MAX_NOTES: u64 = 64 << 10;
/// Bytes of a table of symbols.
pub(super) const MAX_SYMBOLS: u64 = 64 * MIB;
/// Bytes of the names that a file exports and imports. Read of every program that runs on the host.
pub(super) const MAX_DYNAMIC_NAMES: u64 = 32 * MIB;
/// Bytes of the names of all symbols: debug builds have ten times as many as releases.
pub(super) const MAX_NAMES: u64 = 256 * MIB;
/// Bytes of read-only data.
pub(super) const MAX_READ_ONLY: u64 = 256 * MIB;
/// Bytes of tables that the dynamic loader fills in, all together.
pub(super) const MAX_RELOCATIONS: u64 = 128 * MIB;
/// Bytes of code, all together.
pub(super) const MAX_CODE: u64 = 256 * MIB;
/// Symbols that are wanted: V8's own metadata has some 600.
pub(super) const MAX_FOUND: usize = 8_192;

/// An error if the file has more headers than any that we read, checked before a table of them is read.
pub(super) fn headers<'data, R: ReadRef<'data>>(header: &FileHeader64<LE>, data: R) -> Result<(), ElfError> {
    let has_more = |count: usize, most: usize| count > most;
    if has_more(header.shnum(LE, data)?, MAX_SECTIONS) {
        return Err(ElfError::TooLarge("table of sections"));
    }
    if has_more(header.phnum(LE, data)?, MAX_SEGMENTS) {
        return Err(ElfError::TooLarge("table of segments"));
    }
    Ok(())
}

/// Whether a segment of notes is worth reading.
pub(super) fn is_plausible_note(segment: &ProgramHeader64<LE>) -> bool {
    segment.p_filesz(LE) <= MAX_NOTES
}

/// An error if `range` has more than `most` bytes; `what` it holds, as a person would call it.
pub(super) fn check(range: &Range<u64>, most: u64, what: &str) -> io::Result<()> {
    let bytes = range.end.saturating_sub(range.start);
    if bytes <= most { Ok(()) } else { Err(excess(what, format!("{} MiB", bytes / MIB))) }
}

/// The error for a part of a file that is too large to be read.
pub(super) fn excess(what: &str, size: impl std::fmt::Display) -> io::Error {
    let text = format!("its {what} ({size}) is larger than that of any build of Node.js and was not read");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_named_with_its_size() {
        assert!(check(&(5..5 + MIB), MIB, "table").is_ok());
        let error = check(&(0..3 * MIB), MIB, "table of symbols").unwrap_err();
        assert!(error.to_string().starts_with("its table of symbols (3 MiB) is larger"), "{error}");
    }
}

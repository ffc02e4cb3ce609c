//! A file that a process has mapped, opened as the very inode that it runs.

use std::os::unix::ffi::OsStrExt;

use super::{elf::Elf, image, maps::Mapping, text::printable};

/// A mapped file.
#[derive(Debug)]
pub struct Library {
    /// Its name as the process knows it, fit to be shown.
    pub path: String,
    /// How far it is above its linked addresses.
    pub bias: u64,
    /// The file, with its headers read.
    pub elf: Elf,
}

/// Opens the file behind `mapping` of `pid`; `None` if it is out of reach, or no ELF file.
#[must_use]
pub(crate) fn open(pid: u32, mapping: &Mapping) -> Option<Library> {
    let elf = Elf::open(&image::mapped_file(pid, mapping)?).ok()?;
    let bias = elf.bias(mapping.start, mapping.offset)?;
    Some(Library { path: printable(mapping.path.as_os_str().as_bytes()), bias, elf })
}

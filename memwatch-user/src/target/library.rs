//! A file that a process has mapped, opened as the very inode that it runs.

use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::PathBuf,
};

use super::{elf::Elf, maps::Mapping, text::printable};

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
pub fn open(pid: u32, mapping: &Mapping) -> Option<Library> {
    let elf = Elf::open(&path(pid, mapping)?).ok()?;
    let bias = elf.bias(mapping.start, mapping.offset)?;
    Some(Library { path: printable(mapping.path.as_os_str().as_bytes()), bias, elf })
}

/// The link in map_files leads to the mapped inode whatever has become of its name; it takes a capability. The name seen
/// from the process's own root is as good if it still has the inode that is mapped.
pub(super) fn path(pid: u32, mapping: &Mapping) -> Option<PathBuf> {
    let link = PathBuf::from(format!("/proc/{pid}/map_files/{:x}-{:x}", mapping.start, mapping.end));
    if fs::metadata(&link).is_ok() {
        return Some(link);
    }
    let mut path = PathBuf::from(format!("/proc/{pid}/root")).into_os_string();
    path.push(&mapping.path);
    fs::metadata(&path).is_ok_and(|file| file.ino() == mapping.inode).then(|| path.into())
}

//! Which mapped file holds V8 and Node: the program itself, or a `libnode.so`.
//!
//! Files are opened through /proc so that it is the very inode that runs, also if its name on disk means another file by
//! now (an upgrade), or means nothing outside of the process's mount namespace.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use rustix::thread::{CapabilitySet, capabilities};

use super::{
    TargetError,
    elf::{Elf, ElfError},
    maps::{self, Mapping},
    process::Process,
    text::printable,
};
use crate::v8::symbols::{EMBEDDED_MARK, NODE_LIBRARY, NODE_MARK, V8_MARK};

/// Which file, and which state of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    /// Device, as `stat` has it (an overlay's own, not the one below).
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Last change of its contents, nanoseconds since 1970.
    pub mtime_ns: i128,
}

impl From<&Metadata> for FileKey {
    fn from(of: &Metadata) -> Self {
        let mtime_ns = i128::from(of.mtime()) * 1_000_000_000 + i128::from(of.mtime_nsec());
        Self { dev: of.dev(), ino: of.ino(), size: of.size(), mtime_ns }
    }
}

/// The file that holds V8 and Node, as a process has it mapped.
#[derive(Debug)]
pub struct Image {
    /// Opens the mapped inode while the process runs it. Probes are attached through [`Elf::descriptor_path`]: by now this
    /// may lead to another file.
    pub open_path: PathBuf,
    /// Its name as the process knows it, fit to be shown.
    pub path: String,
    /// Which file it is.
    pub key: FileKey,
    /// Its build id in hexadecimal.
    pub build_id: Option<String>,
    /// How far it is above its linked addresses.
    pub bias: u64,
    /// The file, with its headers read.
    pub elf: Elf,
}

/// How a program is related to Node, as far as its own file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeIn {
    /// It holds Node and V8.
    Itself,
    /// It needs a `libnode.so`.
    Library,
    /// It has nothing to do with Node.
    Nowhere,
}

/// How the program in `elf` is related to Node. Reads only the names of its dynamic symbols.
pub(crate) fn node_in(elf: &Elf) -> io::Result<NodeIn> {
    Ok(match elf.dynamic_names_contain([NODE_MARK, V8_MARK, NODE_LIBRARY])? {
        [true, true, false] => NodeIn::Itself,
        [_, _, true] => NodeIn::Library,
        _ => NodeIn::Nowhere,
    })
}

/// Finds the file that holds V8 and Node in `process`.
pub(crate) fn find(process: &Process) -> Result<Image, TargetError> {
    let pid = process.id.pid;
    let open_path = PathBuf::from(format!("/proc/{pid}/exe"));
    let exe = fs::read_link(&open_path).map_err(|error| access(process, &open_path, error))?;
    let elf = open(process, &open_path)?;
    match node_in(&elf).map_err(|error| access(process, &open_path, error))? {
        NodeIn::Itself => image(process, open_path, &exe, elf),
        NodeIn::Library => library(process, &exe),
        NodeIn::Nowhere => Err(not_node(process, &exe, &elf)),
    }
}

impl Image {
    /// Whether the process still has it: executing another program takes its files away.
    #[must_use]
    pub fn is_current(&self) -> bool {
        fs::metadata(&self.open_path).is_ok_and(|metadata| FileKey::from(&metadata) == self.key)
    }
}

/// The program file `path` as it would be run, if it holds Node and V8 itself: not yet mapped, so without a bias.
#[must_use]
pub(crate) fn of_program(path: &Path) -> Option<Image> {
    let elf = Elf::open(path).ok()?;
    let key = FileKey::from(&elf.file().metadata().ok()?);
    let build_id = elf.build_id.clone();
    let is_node = node_in(&elf).ok()? == NodeIn::Itself;
    is_node.then(|| Image { open_path: path.to_owned(), path: shown(path), key, build_id, bias: 0, elf })
}

fn library(process: &Process, exe: &Path) -> Result<Image, TargetError> {
    let pid = process.id.pid;
    let maps = mappings(process)?;
    let is_named = |mapping: &&Mapping| mapping.file_name().starts_with(NODE_LIBRARY.as_bytes());
    // It has another name if it was renamed while it ran.
    let is_inside = |mapping: &&Mapping| mapping.offset == 0 && is_node_library(process, mapping);
    let Some(mapping) = maps.iter().find(is_named).or_else(|| maps.iter().find(is_inside)) else {
        let (comm, exe) = (process.comm.clone(), shown(exe));
        return Err(TargetError::NotNode { pid, comm, exe });
    };
    let open_path = library_path(process, mapping)?;
    let elf = open(process, &open_path)?;
    image(process, open_path, &mapping.path, elf)
}

/// Whether a mapped file exports Node and V8 and calls itself Node's library; addons only import from it.
fn is_node_library(process: &Process, mapping: &Mapping) -> bool {
    let elf = library_path(process, mapping).ok().and_then(|path| Elf::open(&path).ok());
    let marks = elf.and_then(|elf| elf.dynamic_names_contain([NODE_MARK, V8_MARK, NODE_LIBRARY]).ok());
    marks == Some([true; 3])
}

fn library_path(process: &Process, mapping: &Mapping) -> Result<PathBuf, TargetError> {
    let pid = process.id.pid;
    mapped_file(pid, mapping).ok_or_else(|| TargetError::Replaced { pid, path: shown(&mapping.path) })
}

/// A path that opens the file of `mapping` as process `pid` has it. The link in map_files leads to the mapped inode whatever
/// has become of its name; it takes a capability. The name seen from the process's own root is as good if it still has the
/// inode that is mapped.
pub(crate) fn mapped_file(pid: u32, mapping: &Mapping) -> Option<PathBuf> {
    let link = PathBuf::from(format!("/proc/{pid}/map_files/{:x}-{:x}", mapping.start, mapping.end));
    if fs::metadata(&link).is_ok() {
        return Some(link);
    }
    let mut path = PathBuf::from(format!("/proc/{pid}/root")).into_os_string();
    path.push(&mapping.path);
    let is_mapped = fs::metadata(&path).is_ok_and(|file| file.ino() == mapping.inode);
    is_mapped.then(|| path.into())
}

fn image(process: &Process, open_path: PathBuf, path: &Path, elf: Elf) -> Result<Image, TargetError> {
    let metadata = elf.file().metadata().map_err(|error| access(process, &open_path, error))?;
    let bias = mappings(process)?
        .iter()
        .filter(|mapping| mapping.path == path)
        .find_map(|mapping| elf.bias(mapping.start, mapping.offset))
        .ok_or(TargetError::NoProcess { pid: process.id.pid })?;
    let build_id = elf.build_id.clone();
    Ok(Image { open_path, path: shown(path), key: FileKey::from(&metadata), build_id, bias, elf })
}

fn mappings(process: &Process) -> Result<Vec<Mapping>, TargetError> {
    let path = PathBuf::from(format!("/proc/{}/maps", process.id.pid));
    maps::of(process.id.pid).map_err(|error| access(process, &path, error))
}

fn open(process: &Process, path: &Path) -> Result<Elf, TargetError> {
    Elf::open(path).map_err(|error| match error {
        ElfError::Io(error) => access(process, path, error),
        source @ (ElfError::Format(_) | ElfError::TooLarge(_)) => {
            TargetError::Elf { pid: process.id.pid, path: shown(path), source }
        }
    })
}

fn not_node(process: &Process, exe: &Path, elf: &Elf) -> TargetError {
    let (pid, comm, exe) = (process.id.pid, process.comm.clone(), shown(exe));
    // Asked only of a program that was named and is not Node: it reads up to all of the file.
    if elf.read_only_data_contains(EMBEDDED_MARK).unwrap_or(false) {
        TargetError::OtherEmbedder { pid, comm, exe }
    } else {
        TargetError::NotNode { pid, comm, exe }
    }
}

pub(super) fn access(process: &Process, path: &Path, source: io::Error) -> TargetError {
    let pid = process.id.pid;
    match source.kind() {
        io::ErrorKind::PermissionDenied => refused(pid, process.comm.clone()),
        io::ErrorKind::NotFound => TargetError::NoProcess { pid },
        _ => TargetError::Io { path: shown(path), source },
    }
}

/// Why the kernel refuses us a process: the first capability that we lack of those that it takes.
fn refused(pid: u32, comm: String) -> TargetError {
    let effective = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let needed = [
        ("CAP_SYS_PTRACE", CapabilitySet::SYS_PTRACE),
        ("CAP_DAC_READ_SEARCH", CapabilitySet::DAC_READ_SEARCH),
    ];
    match needed.into_iter().find(|(_, set)| !effective.contains(*set)) {
        Some((capability, _)) => TargetError::Permission { pid, comm, capability },
        None => TargetError::Protected { pid, comm },
    }
}

fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_bytes())
}

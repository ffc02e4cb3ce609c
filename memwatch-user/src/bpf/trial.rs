//! What the kernel lets us do, found by doing it for a moment: which capability is enough has changed more than once (uprobes
//! take `CAP_PERFMON` from Linux 5.8 on and `CAP_SYS_ADMIN` again from 6.16 on), and security modules have a say too.

use std::{
    ffi::{CString, OsStr},
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use rustix::thread::{CapabilitySet, capabilities};

use super::{
    raw::{self, Attach},
    relocated,
};
use crate::{
    host::{
        features::UPROBE_PMU,
        rights::{Need, Rights},
    },
    target::maps,
};

/// Our rights, each tried. Nothing that is opened stays open.
#[must_use]
pub(crate) fn rights() -> Rights {
    Rights::found(attempt)
}

/// Our rights as far as nothing can be watched without them. Who has `CAP_SYS_ADMIN` is told by the watch itself, which has
/// no time to lose.
#[must_use]
pub(crate) fn essential_rights() -> Rights {
    let effective = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let is_granted = effective.contains(CapabilitySet::SYS_ADMIN);
    Rights::found(|need| if is_granted || !need.essential() { Ok(()) } else { attempt(need) })
}

/// Does what is needed, on ourselves or on processes of other users.
fn attempt(need: Need) -> io::Result<()> {
    match need {
        Need::LoadPrograms => relocated::load_nothing(Attach::ToOne).map(drop),
        Need::PlaceProbes => probe_ourselves(),
        Need::ReadProcesses => of_others("exe", |path| fs::read_link(path).map(drop)),
        Need::ReadMemory => of_others("mem", |path| fs::File::open(path).map(drop)),
        Need::OpenMappedFiles => open_mapped_file(),
    }
}

/// A uprobe on the header of our own program, which nobody executes.
fn probe_ourselves() -> io::Result<()> {
    let kind = fs::read_to_string(UPROBE_PMU)?;
    let kind = kind.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let program = CString::new(fs::read_link("/proc/self/exe")?.as_os_str().as_bytes())?;
    raw::open_uprobe(kind, &program, 0).map(drop)
}

/// Does it with a file in /proc of each process of another user, until one lets us: some are protected against everybody. Where
/// there are none it cannot be refused.
fn of_others(file: &str, open: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let ours = rustix::process::geteuid().as_raw();
    let is_other = |process: &PathBuf| fs::metadata(process).is_ok_and(|metadata| metadata.uid() != ours);
    let processes = fs::read_dir("/proc")?.flatten().filter(|entry| is_process(&entry.file_name()));
    let others = processes.map(|entry| entry.path()).filter(is_other);
    let is_refusal = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let mut refusal = Ok(());
    for process in others {
        match open(&process.join(file)) {
            Err(error) if is_refusal(&error) => refusal = Err(error),
            _ => return Ok(()),
        }
    }
    refusal
}

fn is_process(name: &OsStr) -> bool {
    name.as_bytes().iter().all(u8::is_ascii_digit)
}

fn open_mapped_file() -> io::Result<()> {
    let ours = maps::of(std::process::id())?;
    let first = ours.first().ok_or(io::ErrorKind::NotFound)?;
    let link = format!("/proc/self/map_files/{:x}-{:x}", first.start, first.end);
    fs::metadata(Path::new(&link)).map(drop)
}

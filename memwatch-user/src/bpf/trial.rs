//! What the kernel lets us do, found by doing it for a moment: which capability is enough has changed more than once (uprobes
//! take `CAP_PERFMON` from Linux 5.8 on and `CAP_SYS_ADMIN` again from 6.16 on), and security modules have a say too.

use std::{ffi::CString, fs, io, os::unix::ffi::OsStrExt as _, path::Path};

use super::{multi, raw};
use crate::{
    host::{
        features::UPROBE_PMU,
        rights::{Need, Rights},
    },
    target::maps,
};

/// Our rights, each tried. Nothing that is opened stays open.
#[must_use]
pub fn rights() -> Rights {
    Rights::found(attempt)
}

/// Does what is needed, on ourselves or on process 1, which belongs to root.
fn attempt(need: Need) -> io::Result<()> {
    match need {
        Need::LoadPrograms => multi::load_nothing().map(drop),
        Need::PlaceProbes => probe_ourselves(),
        Need::ReadProcesses => fs::read_link("/proc/1/exe").map(drop),
        Need::ReadMemory => fs::File::open("/proc/1/mem").map(drop),
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

fn open_mapped_file() -> io::Result<()> {
    let ours = maps::of(std::process::id())?;
    let first = ours.first().ok_or(io::ErrorKind::NotFound)?;
    let link = format!("/proc/self/map_files/{:x}-{:x}", first.start, first.end);
    fs::metadata(Path::new(&link)).map(drop)
}

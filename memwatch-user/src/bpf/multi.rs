//! Uprobes of many places in one link (`BPF_TRACE_UPROBE_MULTI`, Linux 6.6 on; its filter on processes is right since 6.10
//! and in later updates of older kernels).
//!
//! They come and go at once: a breakpoint is gone 0.3 to 4 ms after its link is closed, where a perf event's stays for 0.35
//! to 1.2 s, in which the target meets it and nobody looks (measured on 6.18). aya does not load programs for such links,
//! so the object is taken a second time: aya's maps, and programs that are loaded here.

use std::{
    collections::HashMap,
    ffi::CString,
    io,
    num::NonZeroU32,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use aya::{Ebpf, programs::ProgramError, sys::SyscallError};
use rustix::io::Errno;

use super::{
    error::LoadError,
    raw::{self, Attach},
    relocated::{self, Relocated},
};

/// Programs of the object, for links of many places.
#[derive(Debug)]
pub(super) struct Programs {
    object: Relocated,
    loaded: HashMap<&'static str, OwnedFd>,
}

/// A place, and what the program is told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    /// Offset in the file.
    pub(super) file_offset: u64,
    pub(super) cookie: u64,
}

/// Whether this kernel has such links, with a filter that means processes and not threads: then it refuses a directory for
/// not being a file, and a negative process id before it looks at that. libbpf asks the same.
#[must_use]
pub fn is_supported() -> bool {
    let Ok(program) = relocated::load_nothing(Attach::ToMany) else { return false };
    let refuses = |pid, with: Errno| {
        let refused = raw::link_multi(program.as_fd(), c"/", (&[0], &[0]), pid, false).err();
        refused.and_then(|error| error.raw_os_error()) == Some(with.raw_os_error())
    };
    refuses(0, Errno::BADF) && refuses(u32::MAX, Errno::INVAL)
}

impl Programs {
    /// The programs of the object over the maps of `ebpf`, of which none may have been taken out. Maps must stay open as
    /// long as programs are loaded.
    pub(super) fn over(ebpf: &Ebpf) -> Result<Self, LoadError> {
        Ok(Self { object: Relocated::over(relocated::maps(ebpf))?, loaded: HashMap::new() })
    }

    /// Loads a program, unless it is loaded.
    pub(super) fn load(&mut self, name: &'static str) -> Result<(), LoadError> {
        if !self.loaded.contains_key(name) {
            self.loaded.insert(name, self.object.load(name, Attach::ToMany)?);
        }
        Ok(())
    }

    /// Puts a program, which is loaded by now, in `points` of `file`, for all threads of the process `pid`. It goes when the
    /// link is closed, which blocks for some hundredths of a second.
    pub(super) fn link(
        &mut self,
        name: &'static str,
        file: &Path,
        points: &[Point],
        pid: NonZeroU32,
    ) -> Result<OwnedFd, ProgramError> {
        let failed = |io_error| SyscallError { call: "bpf_link_create", io_error };
        let program = self.loaded.get(name).ok_or(ProgramError::NotLoaded)?;
        let is_return = self.object.is_at_return(name);
        let path =
            CString::new(file.as_os_str().as_bytes()).map_err(|error| failed(io::Error::from(error)))?;
        let offsets: Vec<u64> = points.iter().map(|point| point.file_offset).collect();
        let cookies: Vec<u64> = points.iter().map(|point| point.cookie).collect();
        let link = raw::link_multi(program.as_fd(), &path, (&offsets, &cookies), pid.get(), is_return);
        Ok(link.map_err(failed)?)
    }
}

//! Uprobes of many places in one link (`BPF_TRACE_UPROBE_MULTI`, Linux 6.6 on; its filter on processes is right since 6.10
//! and in later updates of older kernels).
//!
//! They come and go at once: a breakpoint is gone 0.3 to 4 ms after its link is closed, where a perf event's stays for 0.35
//! to 1.2 s, in which the target meets it and nobody looks (measured on 6.18). aya does not load programs for such links,
//! so the object is taken a second time: aya's maps, and programs that are loaded here.

use std::{
    collections::{HashMap, HashSet},
    ffi::CString,
    io,
    num::NonZeroU32,
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
    programs::ProgramError,
    sys::SyscallError,
};
use aya_obj::{Object, ProgramSection, VerifierLog, copy_instructions};
use rustix::io::Errno;

use super::{
    error::{LoadError, in_program},
    object, raw,
};

/// A program that does nothing: `r0 = 0; exit`.
const NOTHING: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/// Programs of the object, for links of many places.
#[derive(Debug)]
pub(super) struct Programs {
    object: Object,
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
    let Ok(program) = load_nothing() else { return false };
    let refuses = |pid, with: Errno| {
        let refused = raw::link_multi(program.as_fd(), c"/", (&[0], &[0]), pid, false).err();
        refused.and_then(|error| error.raw_os_error()) == Some(with.raw_os_error())
    };
    refuses(0, Errno::BADF) && refuses(u32::MAX, Errno::INVAL)
}

/// Loads a program that does nothing.
pub(super) fn load_nothing() -> io::Result<OwnedFd> {
    let code = copy_instructions(&NOTHING).unwrap_or_default();
    raw::load_multi("nothing", &code, c"GPL").map_err(|refusal| refusal.error)
}

impl Programs {
    /// The programs of the object over the maps of `ebpf`, of which none may have been taken out. Maps must stay open as
    /// long as programs are loaded.
    pub(super) fn over(ebpf: &Ebpf) -> Result<Self, LoadError> {
        let mut object = Object::parse(object::bytes()?).map_err(|error| Box::new(error.into()))?;
        let sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        let definitions = std::mem::take(&mut object.maps);
        let open = ebpf.maps().filter_map(|(name, map)| {
            Some((name, data(map)?.fd().as_fd().as_raw_fd(), definitions.get(name)?))
        });
        let failed = |error| LoadError::from(Box::new(aya::EbpfError::from(error)));
        object.relocate_maps(open, &sections).map_err(failed)?;
        object.relocate_calls(&sections).map_err(failed)?;
        Ok(Self { object, loaded: HashMap::new() })
    }

    /// Loads a program, unless it is loaded.
    pub(super) fn load(&mut self, name: &'static str) -> Result<(), LoadError> {
        if self.loaded.contains_key(name) {
            return Ok(());
        }
        let missing = LoadError::Missing("program that a plan names");
        let Some(program) = self.object.programs.get(name) else { return Err(missing) };
        let Some(function) = self.object.functions.get(&program.function_key()) else { return Err(missing) };
        let loaded = raw::load_multi(name, &function.instructions, &program.license).map_err(|refusal| {
            let raw::Refusal { error: io_error, log } = refusal;
            in_program(name)(ProgramError::LoadError { io_error, verifier_log: VerifierLog::new(log) })
        })?;
        self.loaded.insert(name, loaded);
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
        let is_return = matches!(
            self.object.programs.get(name).map(|one| &one.section),
            Some(ProgramSection::URetProbe { .. })
        );
        let path =
            CString::new(file.as_os_str().as_bytes()).map_err(|error| failed(io::Error::from(error)))?;
        let offsets: Vec<u64> = points.iter().map(|point| point.file_offset).collect();
        let cookies: Vec<u64> = points.iter().map(|point| point.cookie).collect();
        let link = raw::link_multi(program.as_fd(), &path, (&offsets, &cookies), pid.get(), is_return);
        Ok(link.map_err(failed)?)
    }
}

/// The kinds that the object has.
fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::PerCpuHashMap(data)
        | Map::PerfEventArray(data)
        | Map::RingBuf(data) => Some(data),
        _ => None,
    }
}

//! The object, taken a second time: aya's maps, and programs that are loaded here, as aya does not load them, or not when they are
//! wanted.

use std::{
    collections::HashSet,
    ffi::CStr,
    io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
    programs::ProgramError,
};
use aya_obj::{Object, ProgramSection, VerifierLog, copy_instructions};

use super::{
    error::{LoadError, in_program},
    object,
    raw::{self, Attach, Refusal},
};

/// A program that does nothing: `r0 = 0; exit`.
const NOTHING: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/// The maps of `ebpf` by name, of which none may have been taken out.
pub(super) fn maps(ebpf: &Ebpf) -> impl Iterator<Item = (&str, BorrowedFd<'_>)> {
    ebpf.maps().filter_map(|(name, map)| Some((name, data(map)?.fd().as_fd())))
}

/// Maps by name, each opened once more.
#[derive(Debug)]
pub(super) struct OpenMaps(Vec<(String, OwnedFd)>);

impl OpenMaps {
    /// Those of `ebpf`, of which none may have been taken out.
    pub(super) fn of(ebpf: &Ebpf) -> Result<Self, LoadError> {
        let open = maps(ebpf).map(|(name, map)| Ok((name.to_owned(), map.try_clone_to_owned()?)));
        open.collect::<io::Result<_>>().map(Self).map_err(LoadError::MoreDescriptors)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, BorrowedFd<'_>)> {
        self.0.iter().map(|(name, map)| (name.as_str(), map.as_fd()))
    }

    /// The map of that name.
    pub(super) fn named(&self, name: &'static str) -> Result<&OwnedFd, LoadError> {
        let found = self.0.iter().find(|(one, _)| one == name);
        found.map(|(_, map)| map).ok_or(LoadError::Missing(name))
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
        | Map::ProgramArray(data)
        | Map::RingBuf(data) => Some(data),
        _ => None,
    }
}

/// Programs of the object over maps that are there. These must stay open as long as programs are loaded.
#[derive(Debug)]
pub(super) struct Relocated(Object);

impl Relocated {
    pub(super) fn over<'m>(maps: impl Iterator<Item = (&'m str, BorrowedFd<'m>)>) -> Result<Self, LoadError> {
        let mut object = Object::parse(object::bytes()?).map_err(|error| Box::new(error.into()))?;
        let sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        let definitions = std::mem::take(&mut object.maps);
        let open = maps.filter_map(|(name, map)| Some((name, map.as_raw_fd(), definitions.get(name)?)));
        let failed = |error| LoadError::from(Box::new(aya::EbpfError::from(error)));
        object.relocate_maps(open, &sections).map_err(failed)?;
        object.relocate_calls(&sections).map_err(failed)?;
        Ok(Self(object))
    }

    /// Loads a program, to be attached in this way.
    pub(super) fn load(&self, name: &'static str, attach: Attach) -> Result<OwnedFd, LoadError> {
        let missing = LoadError::Missing("program that a plan names");
        let Some(program) = self.0.programs.get(name) else { return Err(missing) };
        let Some(function) = self.0.functions.get(&program.function_key()) else { return Err(missing) };
        raw::load(name, &function.instructions, &program.license, attach).map_err(|refusal| {
            let Refusal { error: io_error, log } = refusal;
            in_program(name)(ProgramError::LoadError { io_error, verifier_log: VerifierLog::new(log) })
        })
    }

    /// Whether a program runs at the return of a function.
    pub(super) fn is_at_return(&self, name: &str) -> bool {
        let section = self.0.programs.get(name).map(|program| &program.section);
        matches!(section, Some(ProgramSection::URetProbe { .. }))
    }
}

/// Loads a program that does nothing.
pub(super) fn load_nothing(attach: Attach) -> io::Result<OwnedFd> {
    let code = copy_instructions(&NOTHING).unwrap_or_default();
    let license: &CStr = c"GPL";
    raw::load("nothing", &code, license, attach).map_err(|refusal| refusal.error)
}

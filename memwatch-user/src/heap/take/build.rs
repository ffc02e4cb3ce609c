//! What the file that holds V8 says of its heap.

use std::collections::BTreeMap;

use super::TakeError;
use crate::{
    plan::Unresolved,
    target::{
        Image,
        elf::{Elf, Machine, Symbol},
    },
    v8::{
        handles::{self, GLOBALIZE, HandlePlaces, NUMBER_OF_HANDLES},
        heap_layout::HeapLayout,
        objects::METADATA,
        version,
    },
};

/// What it takes to read the heap of a process that runs one build.
#[derive(Clone, Debug)]
pub struct Build {
    /// How objects are laid out.
    pub layout: HeapLayout,
    pub(super) handles: HandlePlaces,
}

impl Build {
    /// Reads it from the file that holds V8 in a process.
    pub fn of(image: &Image) -> Result<Self, TakeError> {
        Self::read(&image.elf).map_err(|why| TakeError::Unsupported { path: image.path.clone(), why })
    }

    fn read(elf: &Elf) -> Result<Self, Unresolved> {
        if elf.machine != Machine::X86_64 {
            return Err(Unresolved::on(elf.machine, "it"));
        }
        let version = v8_version(elf)?;
        let names = [METADATA, NUMBER_OF_HANDLES[0], NUMBER_OF_HANDLES[1], GLOBALIZE[0], GLOBALIZE[1]];
        let found = elf.symbols(&names, |name| names.iter().any(|prefix| name.starts_with(prefix)));
        let found = found.map_err(Unresolved::not_understood)?;
        let layout = HeapLayout::new(&version, &metadata(elf, &found)).map_err(Unresolved::not_understood)?;
        let address = |prefixes: &[&str]| {
            let starting = |prefix: &str| found.iter().find(|symbol| symbol.name.starts_with(prefix));
            let symbol = prefixes.iter().find_map(|prefix| starting(prefix));
            symbol.map(|symbol| symbol.address).ok_or_else(|| Unresolved::no_symbol(prefixes[0]))
        };
        let places = HandlePlaces::decode(address(&NUMBER_OF_HANDLES)?, address(&GLOBALIZE)?, &|address| {
            code(elf, address)
        });
        Ok(Self { layout, handles: places.map_err(Unresolved::not_understood)? })
    }
}

fn v8_version(elf: &Elf) -> Result<String, Unresolved> {
    let range = elf.read_only_data().map_err(Unresolved::not_understood)?.unwrap_or_default();
    let found = version::find(range, |at, to| elf.read(at, to)).map_err(Unresolved::not_understood)?;
    found.v8.ok_or(Unresolved::NoVersion)
}

/// The values of V8's metadata: ints in the file's data.
fn metadata(elf: &Elf, found: &[Symbol]) -> BTreeMap<String, i32> {
    let value = |symbol: &Symbol| {
        let mut int = [0; 4];
        elf.read(elf.data_offset(symbol.address)?, &mut int).ok()?;
        Some((symbol.name.strip_prefix(METADATA)?.to_owned(), i32::from_le_bytes(int)))
    };
    found.iter().filter_map(value).collect()
}

fn code(elf: &Elf, address: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; handles::CODE_LEN];
    elf.read(elf.code_offset(address)?, &mut bytes).ok()?;
    Some(bytes)
}

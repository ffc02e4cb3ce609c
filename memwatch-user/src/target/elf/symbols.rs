//! Symbols: all functions whose names pass a test, in one pass; or one symbol again, by its place.

use std::{io, ops::Range, os::unix::fs::FileExt};

use memchr::{memchr, memmem};
use object::{
    LittleEndian as LE,
    elf::{STT_FUNC, Sym64},
    pod,
    read::elf::Sym as _,
};
use serde::{Deserialize, Serialize};

use super::{Elf, SymbolTable};

/// Bytes of an `Elf64_Sym`.
const SYMBOL_LEN: u64 = 24;
/// No name we look for is longer.
const MAX_NAME: u64 = 512;
/// Chunk in which names are searched: what tells Node is found early.
const CHUNK: u64 = 256 * 1024;

/// Which of a file's symbol tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Table {
    /// `.dynsym`: survives stripping.
    Dynamic,
    /// `.symtab`.
    Full,
}

/// The place of a symbol in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolRef {
    /// In which table.
    pub table: Table,
    /// At which place of it.
    pub index: u32,
}

/// A function that is defined in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its mangled name.
    pub name: String,
    /// Its address as linked.
    pub address: u64,
    /// Where it was found.
    pub at: SymbolRef,
}

impl Elf {
    /// Functions whose name begins with `prefix` and is `wanted`, those of the dynamic table first; each address with each
    /// name once.
    pub fn functions(&self, prefix: &str, mut wanted: impl FnMut(&str) -> bool) -> io::Result<Vec<Symbol>> {
        let mut found: Vec<Symbol> = Vec::new();
        for table in [Table::Dynamic, Table::Full] {
            let Some(place) = self.table(table) else { continue };
            let symbols = self.bytes(&place.symbols)?;
            let names = self.bytes(&place.names)?;
            let Ok(symbols) = pod::slice_from_all_bytes::<Sym64<LE>>(&symbols) else { continue };
            for (index, symbol) in symbols.iter().enumerate() {
                let Some(name) = function_name(symbol, &names, prefix.as_bytes()) else { continue };
                let address = symbol.st_value(LE);
                let is_known = || found.iter().any(|known| known.address == address && known.name == name);
                if wanted(name) && !is_known() {
                    let at = SymbolRef { table, index: u32::try_from(index).unwrap_or(u32::MAX) };
                    found.push(Symbol { name: name.to_owned(), address, at });
                }
            }
        }
        Ok(found)
    }

    /// The symbol at `at`; `None` if there is no function of a sound name at this place.
    pub fn symbol(&self, at: SymbolRef) -> io::Result<Option<Symbol>> {
        let Some(table) = self.table(at.table) else { return Ok(None) };
        let start = table.symbols.start + u64::from(at.index) * SYMBOL_LEN;
        if start + SYMBOL_LEN > table.symbols.end {
            return Ok(None);
        }
        let bytes = self.bytes(&(start..start + SYMBOL_LEN))?;
        let Ok((symbol, _)) = pod::from_bytes::<Sym64<LE>>(&bytes) else { return Ok(None) };
        let name_start = table.names.start + u64::from(symbol.st_name(LE));
        if !is_function(symbol) || name_start >= table.names.end {
            return Ok(None);
        }
        let bytes = self.bytes(&(name_start..table.names.end.min(name_start + MAX_NAME)))?;
        let name = name_at(&bytes, 0);
        Ok(name.map(|name| Symbol { name: name.to_owned(), address: symbol.st_value(LE), at }))
    }

    /// Which of `marks` occur among the names that the file exports or imports. Stops once all are found.
    pub fn dynamic_names_contain<const N: usize>(&self, marks: [&str; N]) -> io::Result<[bool; N]> {
        let mut found = [false; N];
        let Some(table) = &self.dynamic else { return Ok(found) };
        let longest = marks.iter().map(|mark| mark.len()).max().unwrap_or(0) as u64;
        let mut start = table.names.start;
        while start < table.names.end && found.contains(&false) {
            // Chunks overlap, so that a name that is cut in two is found in the next.
            let bytes = self.bytes(&(start..table.names.end.min(start + CHUNK + longest)))?;
            for (mark, found) in marks.iter().zip(&mut found) {
                *found = *found || memmem::find(&bytes, mark.as_bytes()).is_some();
            }
            start += CHUNK;
        }
        Ok(found)
    }

    /// Whether the file has a symbol table beside the dynamic one: strip removes it.
    #[must_use]
    pub fn has_full_table(&self) -> bool {
        self.full.is_some()
    }

    fn table(&self, table: Table) -> Option<&SymbolTable> {
        match table {
            Table::Dynamic => self.dynamic.as_ref(),
            Table::Full => self.full.as_ref(),
        }
    }

    /// Ranges come from headers that were checked against the file's length.
    fn bytes(&self, range: &Range<u64>) -> io::Result<Vec<u8>> {
        let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    }
}

fn is_function(symbol: &Sym64<LE>) -> bool {
    symbol.st_type() == STT_FUNC && symbol.st_shndx(LE) != 0
}

fn function_name<'names>(symbol: &Sym64<LE>, names: &'names [u8], prefix: &[u8]) -> Option<&'names str> {
    let start = usize::try_from(symbol.st_name(LE)).ok()?;
    let matches = is_function(symbol) && names.get(start..)?.starts_with(prefix);
    if matches { name_at(names, start) } else { None }
}

fn name_at(names: &[u8], start: usize) -> Option<&str> {
    let names = names.get(start..)?;
    std::str::from_utf8(&names[..memchr(0, names)?]).ok()
}

//! Symbols: all whose names pass a test, in one pass; or one symbol again, by its place.

use std::{
    collections::{HashMap, HashSet},
    io,
    ops::Range,
};

use memchr::{
    memchr,
    memmem::{self, Finder},
};
use object::{
    LittleEndian as LE,
    elf::{STT_FUNC, STT_OBJECT, Sym64},
    pod,
    read::elf::Sym as _,
};
use serde::{Deserialize, Serialize};

use super::{Elf, SymbolTable, limits};

/// Bytes of an `Elf64_Sym`.
const SYMBOL_LEN: u64 = 24;
/// No name we look for is longer.
const MAX_NAME: u64 = 512;
/// What is read at once: fits the second-level cache, and is a multiple of [`SYMBOL_LEN`].
const CHUNK: u64 = 240 * 1024;

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

/// A function, or data such as a class's table of virtual functions, that is defined in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its mangled name.
    pub name: String,
    /// Its address as linked.
    pub address: u64,
    /// Its bytes.
    pub size: u64,
    /// Where it was found.
    pub at: SymbolRef,
}

impl Elf {
    /// Functions and data whose name begins with one of `prefixes` and is `wanted`, those of the dynamic table first; each
    /// address with each name once.
    ///
    /// Names are searched before symbols: of ten million bytes of names a few hundred begin like ours, and then a symbol is
    /// told by a number. That is several times faster than looking up the name of each symbol.
    pub fn symbols(&self, prefixes: &[&str], wanted: impl Fn(&str) -> bool) -> io::Result<Vec<Symbol>> {
        let finders: Vec<Finder<'_>> = prefixes.iter().map(Finder::new).collect();
        let (mut found, mut known) = (Vec::new(), HashSet::new());
        for table in [Table::Dynamic, Table::Full] {
            let Some(place) = self.table(table)? else { continue };
            let names = self.names(&place.names, &finders, &wanted)?;
            let symbols = self.named(table, &place.symbols, &names, is_defined)?.into_iter();
            found.extend(symbols.filter(|symbol| known.insert((symbol.address, symbol.name.clone()))));
        }
        Ok(found)
    }

    /// Dynamic symbols called `name`: those that are `wanted`, whatever their type.
    pub(super) fn dynamic(
        &self,
        name: &str,
        wanted: impl Fn(&Sym64<LE>) -> bool,
    ) -> io::Result<Vec<SymbolRef>> {
        let Some(place) = self.table(Table::Dynamic)? else { return Ok(Vec::new()) };
        let names = self.names(&place.names, &[Finder::new(name)], |one| one == name)?;
        let found = self.named(Table::Dynamic, &place.symbols, &names, wanted)?;
        Ok(found.into_iter().map(|symbol| symbol.at).collect())
    }

    /// Wanted names in `range`, by their offsets in it; an error if there are more than anybody wants.
    fn names(
        &self,
        range: &Range<u64>,
        finders: &[Finder<'_>],
        wanted: impl Fn(&str) -> bool,
    ) -> io::Result<HashMap<u32, String>> {
        let mut names = HashMap::new();
        self.in_chunks(range, MAX_NAME, |offset, bytes| {
            for at in finders.iter().flat_map(|finder| finder.find_iter(bytes)) {
                // A name that begins in the overlap is found again, whole, in the next chunk.
                if let Some(name) = name_at(bytes, at).filter(|name| wanted(name))
                    && let Ok(key) = u32::try_from(offset + at as u64)
                {
                    names.insert(key, name.to_owned());
                }
            }
            names.len() <= limits::MAX_FOUND
        })?;
        few_enough(names.len())?;
        Ok(names)
    }

    /// Symbols of `table`, which is at `range`, that have one of `names` and are `wanted`.
    fn named(
        &self,
        table: Table,
        range: &Range<u64>,
        names: &HashMap<u32, String>,
        wanted: impl Fn(&Sym64<LE>) -> bool,
    ) -> io::Result<Vec<Symbol>> {
        let mut found = Vec::new();
        let is_one = |symbol: &Sym64<LE>| names.get(&symbol.st_name(LE)).filter(|_| wanted(symbol));
        self.in_chunks(range, 0, |offset, bytes| {
            let count = bytes.len() / size_of::<Sym64<LE>>();
            let Ok((symbols, _)) = pod::slice_from_bytes::<Sym64<LE>>(bytes, count) else { return false };
            for (place, symbol) in symbols.iter().enumerate() {
                if let Some(name) = is_one(symbol)
                    && let Ok(index) = u32::try_from(offset / SYMBOL_LEN + place as u64)
                {
                    let at = SymbolRef { table, index };
                    let (address, size) = (symbol.st_value(LE), symbol.st_size(LE));
                    found.push(Symbol { name: name.clone(), address, size, at });
                }
            }
            found.len() <= limits::MAX_FOUND
        })?;
        few_enough(found.len())?;
        Ok(found)
    }

    /// Reads `range` chunk by chunk, each with `overlap` bytes of the next one, until `visit` says that it is enough. It is
    /// given the chunk's offset in the range.
    pub(super) fn in_chunks(
        &self,
        range: &Range<u64>,
        overlap: u64,
        mut visit: impl FnMut(u64, &[u8]) -> bool,
    ) -> io::Result<()> {
        let mut buffer = Vec::new();
        let mut start = range.start;
        while start < range.end {
            let len = (range.end - start).min(CHUNK + overlap);
            buffer.resize(usize::try_from(len).unwrap_or_default(), 0);
            self.read(start, &mut buffer)?;
            if !visit(start - range.start, &buffer) {
                break;
            }
            start += CHUNK;
        }
        Ok(())
    }

    /// The symbol at `at`; `None` if there is none of a sound name at this place.
    pub fn symbol(&self, at: SymbolRef) -> io::Result<Option<Symbol>> {
        let Some(table) = self.table(at.table)? else { return Ok(None) };
        let start = table.symbols.start + u64::from(at.index) * SYMBOL_LEN;
        if start + SYMBOL_LEN > table.symbols.end {
            return Ok(None);
        }
        let bytes = self.bytes(&(start..start + SYMBOL_LEN))?;
        let Ok((symbol, _)) = pod::from_bytes::<Sym64<LE>>(&bytes) else { return Ok(None) };
        let name_start = table.names.start + u64::from(symbol.st_name(LE));
        if !is_defined(symbol) || name_start >= table.names.end {
            return Ok(None);
        }
        let bytes = self.bytes(&(name_start..table.names.end.min(name_start + MAX_NAME)))?;
        let (address, size) = (symbol.st_value(LE), symbol.st_size(LE));
        Ok(name_at(&bytes, 0).map(|name| Symbol { name: name.to_owned(), address, size, at }))
    }

    /// Which of `marks` occur among the names that the file exports or imports. Stops once all are found.
    pub fn dynamic_names_contain<const N: usize>(&self, marks: [&str; N]) -> io::Result<[bool; N]> {
        let mut found = [false; N];
        let Some(table) = self.table(Table::Dynamic)? else { return Ok(found) };
        let longest = marks.iter().map(|mark| mark.len()).max().unwrap_or(0) as u64;
        self.in_chunks(&table.names, longest, |_, bytes| {
            for (mark, found) in marks.iter().zip(&mut found) {
                *found = *found || memmem::find(bytes, mark.as_bytes()).is_some();
            }
            found.contains(&false)
        })?;
        Ok(found)
    }

    /// Whether `text` occurs in the read-only data, which stripping leaves alone.
    pub fn read_only_data_contains(&self, text: &str) -> io::Result<bool> {
        let Some(range) = self.read_only_data()? else { return Ok(false) };
        let finder = Finder::new(text);
        let mut found = false;
        self.in_chunks(&range, text.len() as u64, |_, bytes| {
            found = finder.find(bytes).is_some();
            !found
        })?;
        Ok(found)
    }

    /// Whether the file has a symbol table beside the dynamic one: strip removes it.
    #[must_use]
    pub fn has_full_table(&self) -> bool {
        self.full.is_some()
    }

    /// A table, if the file has it; an error if it is too large to be read.
    fn table(&self, table: Table) -> io::Result<Option<&SymbolTable>> {
        let (place, most) = match table {
            Table::Dynamic => (&self.dynamic, limits::MAX_DYNAMIC_NAMES),
            Table::Full => (&self.full, limits::MAX_NAMES),
        };
        if let Some(SymbolTable { symbols, names }) = place {
            limits::check(names, most, "table of names")?;
            limits::check(symbols, limits::MAX_SYMBOLS, "table of symbols")?;
        }
        Ok(place.as_ref())
    }

    /// Ranges come from headers that were checked against the file's length.
    fn bytes(&self, range: &Range<u64>) -> io::Result<Vec<u8>> {
        let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len];
        self.read(range.start, &mut bytes)?;
        Ok(bytes)
    }
}

fn few_enough(count: usize) -> io::Result<()> {
    if count <= limits::MAX_FOUND { Ok(()) } else { Err(limits::excess("number of wanted symbols", count)) }
}

pub(super) fn is_defined(symbol: &Sym64<LE>) -> bool {
    matches!(symbol.st_type(), STT_FUNC | STT_OBJECT) && symbol.st_shndx(LE) != 0
}

fn name_at(names: &[u8], start: usize) -> Option<&str> {
    let names = names.get(start..)?;
    std::str::from_utf8(&names[..memchr(0, names)?]).ok()
}

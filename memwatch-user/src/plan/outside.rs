//! Where the books of what an isolate holds outside of its heap are in one binary.

use memwatch_common::outside::OutsideLayout;
use serde::{Deserialize, Serialize};

use super::Unresolved;

use crate::{
    target::elf::{Elf, Machine, Symbol, SymbolRef},
    v8::outside_heap::{self, ALLOCATOR, Books, CLASSES, CODE_LEN, Code, HEAP_STATISTICS, MAX_CODE, Sources},
};

/// Where the books are, and what says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideBooks {
    /// Offsets of the books.
    pub books: Books,
    /// What tells Node's allocators: see [`OutsideLayout::classes`].
    pub classes: [u64; 2],
    /// The symbols from which this was read.
    pub symbols: Vec<SymbolRef>,
}

impl OutsideBooks {
    /// What the kernel side needs of it.
    #[must_use]
    pub fn layout(&self) -> OutsideLayout {
        self.books.layout(self.classes)
    }
}

/// Whether it takes the symbol `name` to find the books.
pub(super) fn is_source(name: &str) -> bool {
    [HEAP_STATISTICS, ALLOCATOR].contains(&name) || CLASSES.as_flattened().contains(&name)
}

/// The books as the code behind the symbols in `found` has them, or why they cannot be found.
pub(super) fn books(elf: &Elf, found: &[Symbol]) -> Result<OutsideBooks, Unresolved> {
    if elf.machine != Machine::X86_64 {
        return Err(Unresolved::on(elf.machine, "the code that leads to the counters of external memory"));
    }
    let [statistics, allocator] = [symbol(found, HEAP_STATISTICS)?, symbol(found, ALLOCATOR)?];
    let [_, free] = class(found, CLASSES[0])?;
    let whole = usize::try_from(statistics.size.min(MAX_CODE)).unwrap_or_default();
    let codes = [code(elf, statistics, whole)?, code(elf, allocator, CODE_LEN)?, code(elf, free, CODE_LEN)?];
    let [heap_statistics, getter, free_code] = [
        Code { bytes: &codes[0], address: statistics.address },
        Code { bytes: &codes[1], address: allocator.address },
        Code { bytes: &codes[2], address: free.address },
    ];
    let sources = Sources { heap_statistics, allocator: getter, free: free_code };
    let books = outside_heap::decode(&sources, &|address| bytes(elf, address, CODE_LEN));
    let classes = CLASSES.map(|names| class(found, names).ok());
    let symbols = [statistics, allocator].into_iter().chain(classes.into_iter().flatten().flatten());
    Ok(OutsideBooks {
        books: books.map_err(Unresolved::not_understood)?,
        classes: classes.map(|class| class.map_or(0, distance)),
        symbols: symbols.map(|symbol| symbol.at).collect(),
    })
}

fn symbol<'a>(found: &'a [Symbol], name: &str) -> Result<&'a Symbol, Unresolved> {
    found.iter().find(|symbol| symbol.name == name).ok_or_else(|| Unresolved::no_symbol(name))
}

/// A class's table of virtual functions, and its `Free`.
fn class<'a>(found: &'a [Symbol], [table, free]: [&str; 2]) -> Result<[&'a Symbol; 2], Unresolved> {
    Ok([symbol(found, table)?, symbol(found, free)?])
}

/// How far `Free` is above where objects of the class point at: the same wherever the file is loaded.
fn distance([table, free]: [&Symbol; 2]) -> u64 {
    free.address.wrapping_sub(table.address).wrapping_sub(outside_heap::TABLE_HEADER)
}

fn code(elf: &Elf, symbol: &Symbol, len: usize) -> Result<Vec<u8>, Unresolved> {
    let unreadable =
        || Unresolved::unreadable(&format!("the code of {}", symbol.name), "it is not in the file");
    bytes(elf, symbol.address, len).ok_or_else(unreadable)
}

fn bytes(elf: &Elf, address: u64, len: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; len];
    elf.read(elf.code_offset(address)?, &mut bytes).ok()?;
    Some(bytes)
}

//! What it takes to follow objects in one binary until they die: places for probes in V8's garbage collector, and how its pages are
//! laid out. All of it, or nothing.

use memwatch_common::survivors::PageLayout;
use serde::{Deserialize, Serialize};

use super::{ProbeSite, Unresolved, sites};
use crate::{
    target::elf::{Elf, Machine, Symbol, SymbolRef},
    v8::{
        marks::{self, CODE_LEN, IS_UNMARKED, MarkBits, Pages},
        symbols::{self, Function, LOOKS, MADE},
    },
};

/// What one binary says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurvivorPlan {
    /// Probes in the garbage collector. They have to be live before the others are.
    pub looks: Vec<ProbeSite>,
    /// Probes where objects are made.
    pub made: Vec<ProbeSite>,
    marks: MarkBits,
    marks_ref: SymbolRef,
    pages: Pages,
}

impl SurvivorPlan {
    /// Reads it from `elf`, of whose symbols `found` are of interest, and whose V8 calls itself `version`; or why objects of it
    /// cannot be followed.
    pub(super) fn resolve(elf: &Elf, found: &[Symbol], version: Option<&str>) -> Result<Self, Unresolved> {
        if elf.machine != Machine::X86_64 {
            return Err(Unresolved::on(elf.machine, "the code that shows V8's mark bits"));
        }
        let pages = Pages::of(version.ok_or(Unresolved::NoVersion)?).map_err(Unresolved::not_understood)?;
        let mut looks = Vec::new();
        for function in &LOOKS {
            looks.extend(first(elf, function, found)?);
        }
        let made = sites::sites_of(elf, &MADE, found).map_err(|why| lacks(&MADE, &why))?;
        let symbol = found.iter().find(|symbol| is_unmarked(&symbol.name));
        let symbol = symbol.ok_or_else(|| Unresolved::no_symbol(symbols::readable(IS_UNMARKED)))?;
        Ok(Self { looks, made, marks: mark_bits(elf, symbol)?, marks_ref: symbol.at, pages })
    }

    /// What the kernel side needs of it.
    #[must_use]
    pub fn layout(&self) -> PageLayout {
        PageLayout {
            flags: self.pages.flags,
            marks: self.marks.offset,
            marks_are_outside: u32::from(self.marks.in_metadata),
            made_in_area: u32::from(self.pages.made_in_area),
        }
    }

    /// The symbols that it was read from.
    pub(super) fn symbols(&self) -> impl Iterator<Item = SymbolRef> {
        let sites = self.looks.iter().chain(&self.made).map(|site| site.symbol_ref);
        sites.chain([self.marks_ref])
    }
}

/// Whether it takes the symbol `name` to follow objects.
pub(super) fn is_source(name: &str) -> bool {
    LOOKS.iter().chain([&MADE]).any(|function| function.is_instance(name)) || is_unmarked(name)
}

fn is_unmarked(name: &str) -> bool {
    symbols::is_instance(name, IS_UNMARKED, true)
}

/// The sites of a function that has several names: of the first of these that there is.
fn first(elf: &Elf, function: &Function, found: &[Symbol]) -> Result<Vec<ProbeSite>, Unresolved> {
    let of = |prefix| Function { prefixes: std::slice::from_ref(prefix), ..*function };
    let named = function.prefixes.iter().map(of);
    let there = named.clone().find(|one| found.iter().any(|symbol| one.is_instance(&symbol.name)));
    let one = there.unwrap_or(*function);
    sites::sites_of(elf, &one, found).map_err(|why| lacks(&one, &why))
}

fn lacks(function: &Function, why: &Unresolved) -> Unresolved {
    let name = function.prefixes.first().map_or(function.program, |prefix| symbols::readable(prefix));
    Unresolved::not_understood(format!("{name}: {why}"))
}

fn mark_bits(elf: &Elf, symbol: &Symbol) -> Result<MarkBits, Unresolved> {
    let offset = elf.code_offset(symbol.address).ok_or_else(|| Unresolved::outside(&symbol.name))?;
    let mut code = [0; CODE_LEN];
    elf.read(offset, &mut code).map_err(|error| Unresolved::unreadable(&symbol.name, error))?;
    let size = usize::try_from(symbol.size).unwrap_or(CODE_LEN).min(CODE_LEN);
    marks::mark_bits(&code[..size], symbol.address).map_err(Unresolved::not_understood)
}

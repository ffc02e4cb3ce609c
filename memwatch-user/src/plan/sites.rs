//! The places of one program in a file: in every copy of the function that it goes to.

use super::{
    CODE_BYTES, ProbeSite, Unresolved, exits,
    placement::{Placement, place},
};
use crate::{
    target::elf::{Elf, Symbol},
    v8::symbols::{self, At, Function},
};

/// Copies of one function: compilers make up to four of V8's.
const MAX_COPIES: usize = 16;

/// All copies of a function, each address once; the reason if there is none or one cannot be probed.
pub(super) fn sites_of(
    elf: &Elf,
    function: &Function,
    found: &[Symbol],
) -> Result<Vec<ProbeSite>, Unresolved> {
    let mut sites: Vec<ProbeSite> = Vec::new();
    let copies = || found.iter().filter(|symbol| function.is_instance(&symbol.name));
    if copies().nth(MAX_COPIES).is_some() {
        return Err(Unresolved::Copies(MAX_COPIES));
    }
    for symbol in copies() {
        let cold = found.iter().find(|part| symbols::is_cold_part(&part.name, &symbol.name));
        for site in sites_in(elf, function, symbol, cold)? {
            if sites.iter().all(|known| known.file_offset != site.file_offset) {
                sites.push(site);
            }
        }
    }
    if sites.is_empty() { Err(Unresolved::no_symbol("it")) } else { Ok(sites) }
}

/// The places of `function`'s program in `symbol`, whose cold part is `cold`, read from the file; the reason if there is
/// none.
pub(super) fn sites_in(
    elf: &Elf,
    function: &Function,
    symbol: &Symbol,
    cold: Option<&Symbol>,
) -> Result<Vec<ProbeSite>, Unresolved> {
    if function.at != At::Exits {
        return Ok(vec![site(elf, function, symbol, symbol.address)?]);
    }
    let at_exit = |address| {
        let site = site(elf, function, symbol, address)?;
        Ok(ProbeSite { cold_ref: cold.map(|cold| cold.at), ..site })
    };
    exits::exits(elf, symbol, cold)?.into_iter().map(at_exit).collect()
}

/// The place of `function`'s program at the instruction at `address`, or right after it.
fn site(elf: &Elf, function: &Function, symbol: &Symbol, address: u64) -> Result<ProbeSite, Unresolved> {
    let start = elf.code_offset(address).ok_or_else(|| Unresolved::outside("its symbol"))?;
    let Placement { offset, instruction, emulated } =
        place(&code(elf, start)?, address, elf.machine).ok_or(Unresolved::NoPlace)?;
    // The kernel finds the return address where the first instruction left it; after an exit there is nothing.
    if offset != 0 && function.at != At::Entry {
        return Err(Unresolved::Instruction);
    }
    let file_offset = start + offset;
    Ok(ProbeSite {
        program: function.program.to_owned(),
        at: function.at,
        symbol: symbol.name.clone(),
        symbol_ref: symbol.at,
        cold_ref: None,
        file_offset,
        bytes: code(elf, file_offset)?,
        instruction,
        emulated,
    })
}

fn code(elf: &Elf, offset: u64) -> Result<[u8; CODE_BYTES], Unresolved> {
    let mut bytes = [0; CODE_BYTES];
    elf.read(offset, &mut bytes).map_err(|error| Unresolved::unreadable("its code", error))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        target::elf::{SymbolRef, Table},
        v8::symbols::FUNCTIONS,
    };

    #[test]
    fn a_function_of_many_copies_is_none_of_v8s() {
        let us = Elf::open(std::path::Path::new("/proc/self/exe")).unwrap();
        let function = FUNCTIONS.iter().find(|function| function.at == At::Entry).unwrap();
        let at = SymbolRef { table: Table::Full, index: 0 };
        let copy = Symbol { name: format!("{}v", function.prefixes[0]), address: 0, size: 9, at };
        let few = sites_of(&us, function, &vec![copy.clone(); MAX_COPIES]).unwrap_err().to_string();
        let many = sites_of(&us, function, &vec![copy; MAX_COPIES + 1]).unwrap_err().to_string();
        assert!(many.contains("more than 16 copies") && !few.contains("copies"), "{few} {many}");
    }
}

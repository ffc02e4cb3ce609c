//! A plan against the file that is really mapped, before anything of it is armed.
//!
//! Each site is derived again from the symbol at the place that the plan names. So a plan, wherever it came from, can only
//! say at which places of a symbol table to look: whether the name is right, where the function begins, which instruction
//! is there and whether it is executable is the file's to say. A breakpoint in the middle of an instruction would corrupt
//! the target.

use super::{Mismatch, Plan, PlanError, ProbeSite, SurvivorPlan, Unresolved, outside, resolve, sites};
use crate::{
    target::{
        Image,
        elf::{Elf, Symbol, SymbolRef},
    },
    v8::symbols::{self, FUNCTIONS, Function, Need},
};

/// Whether the file of `image` has all that `plan` says.
pub(super) fn check(plan: &Plan, image: &Image) -> Result<(), PlanError> {
    let verdict = check_file(plan, image).and_then(|()| check_programs(plan)).and_then(|()| {
        plan.probes.iter().try_for_each(|site| check_site(site, plan, &image.elf))?;
        check_heap_limit(plan, &image.elf)?;
        check_outside(plan, &image.elf)?;
        check_survivors(plan, &image.elf)
    });
    verdict.map_err(|what| PlanError::Mismatch { path: image.path.clone(), what })
}

/// A stripped copy has the build id of the original, and lacks what the original has: what a plan found missing is missing
/// in a file of that size only.
fn check_file(plan: &Plan, image: &Image) -> Result<(), Mismatch> {
    let has_all =
        plan.missing.is_empty() && plan.heap_limit.is_ok() && plan.outside.is_ok() && plan.survivors.is_ok();
    if plan.build_id != image.build_id {
        return Err(Mismatch::BuildId);
    }
    if !has_all && plan.file_size != image.key.size {
        return Err(Mismatch::Size);
    }
    Ok(())
}

/// Each program has a place or is said to be missing, and they come in the order of attaching.
fn check_programs(plan: &Plan) -> Result<(), Mismatch> {
    let places: Vec<usize> = plan.probes.iter().filter_map(|site| index(&site.program)).collect();
    if places.len() != plan.probes.len() || !places.is_sorted() {
        return Err(Mismatch::Programs);
    }
    let is_placed = |index: usize, function: &Function| {
        places.contains(&index)
            || (function.need != Need::Required && plan.missing(function.program).is_some())
    };
    match FUNCTIONS.iter().enumerate().find(|(index, function)| !is_placed(*index, function)) {
        Some((_, function)) => Err(Mismatch::NoPlace(function.program)),
        None => Ok(()),
    }
}

/// The program has this place and, of a function with several exits, none of the others was left out.
fn check_site(site: &ProbeSite, plan: &Plan, elf: &Elf) -> Result<(), Mismatch> {
    let program = &site.program;
    let function = index(program).map(|index| &FUNCTIONS[index]).ok_or(Mismatch::Programs)?;
    let symbol = symbol_at(site.symbol_ref, program, elf)?;
    let cold = site.cold_ref.map(|at| symbol_at(at, program, elf)).transpose()?;
    if !function.is_instance(&symbol.name) {
        return Err(Mismatch::Function { program: program.clone(), symbol: symbol.name });
    }
    if let Some(cold) = cold.as_ref().filter(|cold| !symbols::is_cold_part(&cold.name, &symbol.name)) {
        return Err(Mismatch::Part { part: cold.name.clone(), of: symbol.name });
    }
    let derived = sites::sites_in(elf, function, &symbol, cold.as_ref());
    let derived = derived.map_err(|why| Mismatch::Program { program: program.clone(), why })?;
    if !derived.contains(site) {
        return Err(Mismatch::Elsewhere(program.clone()));
    }
    if derived.iter().all(|site| plan.probes.contains(site)) {
        Ok(())
    } else {
        Err(Mismatch::Lacks(program.clone()))
    }
}

fn symbol_at(at: SymbolRef, program: &str, elf: &Elf) -> Result<Symbol, Mismatch> {
    let unreadable = |error| Unresolved::unreadable("its symbol", error);
    let symbol = elf.symbol(at).map_err(unreadable);
    let symbol = symbol.map_err(|why| Mismatch::Program { program: program.to_owned(), why })?;
    symbol.ok_or_else(|| Mismatch::NoSymbol(program.to_owned()))
}

fn check_heap_limit(plan: &Plan, elf: &Elf) -> Result<(), Mismatch> {
    let Ok(limit) = &plan.heap_limit else { return Ok(()) };
    let symbol = symbol_at(limit.symbol_ref, "Heap::MaxReserved", elf)?;
    if resolve::limit_of(elf, &symbol)? == *limit { Ok(()) } else { Err(Mismatch::Limit) }
}

fn check_outside(plan: &Plan, elf: &Elf) -> Result<(), Mismatch> {
    let Ok(books) = &plan.outside else { return Ok(()) };
    let at = |at: &SymbolRef| elf.symbol(*at).map_err(|error| Unresolved::unreadable("its symbol", error));
    let symbols = books.symbols.iter().map(at).collect::<Result<Vec<_>, _>>()?;
    let found: Vec<Symbol> = symbols.into_iter().flatten().collect();
    if outside::books(elf, &found)? == *books { Ok(()) } else { Err(Mismatch::Outside) }
}

fn check_survivors(plan: &Plan, elf: &Elf) -> Result<(), Mismatch> {
    let Ok(survivors) = &plan.survivors else { return Ok(()) };
    let at = |at: SymbolRef| elf.symbol(at).map_err(|error| Unresolved::unreadable("its symbol", error));
    let symbols = survivors.symbols().map(at).collect::<Result<Vec<_>, _>>()?;
    let found: Vec<Symbol> = symbols.into_iter().flatten().collect();
    let derived = SurvivorPlan::resolve(elf, &found, plan.v8_version.as_deref())?;
    if derived == *survivors { Ok(()) } else { Err(Mismatch::Survivors) }
}

fn index(program: &str) -> Option<usize> {
    FUNCTIONS.iter().position(|function| function.program == program)
}

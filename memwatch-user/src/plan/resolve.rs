//! A plan from a file's symbols: one pass over them, then a few bytes of code each.

use super::{
    HeapLimit, Missing, Plan, PlanError, ProbeSite, Stripped, Unresolved, outside, sites,
    stacks::StackPlan,
    survivors::{self, SurvivorPlan},
};
use crate::{
    target::{
        Image,
        elf::{Elf, Machine, Symbol},
    },
    v8::{
        heap_limit::{self, CODE_LEN},
        symbols::{self, COMMON_PREFIXES, FUNCTIONS, Function, MAX_RESERVED, Need},
        version::{self, Versions},
    },
};

/// The function that the heap's limit is read from, as it is shown.
const MAX_RESERVED_NAME: &str = "Heap::MaxReserved";

/// Makes the plan for `image` from its symbols.
pub(super) fn resolve(image: &Image) -> Result<Plan, PlanError> {
    let elf = &image.elf;
    let read = |source| PlanError::Read { path: image.path.clone(), source };
    if let Machine::Other(_) = elf.machine {
        return Err(PlanError::Machine { path: image.path.clone(), machine: elf.machine });
    }
    let found = elf.symbols(&COMMON_PREFIXES, is_of_interest).map_err(read)?;
    let versions = match elf.read_only_data().map_err(read)? {
        Some(range) => version::find(range, |at, to| elf.read(at, to)).map_err(read)?,
        None => Versions::default(),
    };
    let (probes, missing) = sites(elf, &found);
    let stacks = StackPlan::resolve(elf, versions.v8.as_deref());
    let survivors = SurvivorPlan::resolve(elf, &found, versions.v8.as_deref());
    let plan = Plan {
        build_id: image.build_id.clone(),
        file_size: image.key.size,
        node_version: versions.node,
        v8_version: versions.v8,
        probes,
        heap_limit: heap_limit(elf, &found),
        outside: outside::books(elf, &found),
        stacks,
        survivors,
        missing,
    };
    complete(plan, image)
}

fn is_of_interest(name: &str) -> bool {
    FUNCTIONS.iter().any(|function| function.is_part(name))
        || is_max_reserved(name)
        || outside::is_source(name)
        || survivors::is_source(name)
}

fn is_max_reserved(name: &str) -> bool {
    MAX_RESERVED.iter().any(|prefix| symbols::is_instance(name, prefix, true))
}

fn sites(elf: &Elf, found: &[Symbol]) -> (Vec<ProbeSite>, Vec<Missing>) {
    let (mut probes, mut missing) = (Vec::new(), Vec::new());
    for function in &FUNCTIONS {
        match sites::sites_of(elf, function, found) {
            Ok(sites) => probes.extend(sites),
            Err(why) => missing.push(lost(function, &why)),
        }
    }
    (probes, missing)
}

fn lost(function: &Function, why: &Unresolved) -> Missing {
    let name = function.prefixes.first().map_or(function.program, |prefix| symbols::readable(prefix));
    let loss = match function.need {
        Need::Required => "collections cannot be seen",
        Need::Optional(loss) => loss,
    };
    Missing { program: function.program.to_owned(), reason: format!("{name}: {why}; {loss}") }
}

fn heap_limit(elf: &Elf, found: &[Symbol]) -> Result<HeapLimit, Unresolved> {
    let is_it = |name: &str| MAX_RESERVED.iter().any(|prefix| symbols::is_instance(name, prefix, true));
    let symbol = found.iter().find(|symbol| is_it(&symbol.name));
    limit_of(elf, symbol.ok_or_else(|| Unresolved::no_symbol(MAX_RESERVED_NAME))?)
}

/// The heap limit as the code of `symbol`, which is `Heap::MaxReserved`, has it.
pub(super) fn limit_of(elf: &Elf, symbol: &Symbol) -> Result<HeapLimit, Unresolved> {
    if elf.machine != Machine::X86_64 {
        return Err(Unresolved::on(elf.machine, "the code of Heap::MaxReserved"));
    }
    if !is_max_reserved(&symbol.name) {
        let (found, wanted) = (symbol.name.clone(), MAX_RESERVED_NAME.to_owned());
        return Err(Unresolved::OtherSymbol { found, wanted });
    }
    let offset = elf.code_offset(symbol.address).ok_or_else(|| Unresolved::outside(MAX_RESERVED_NAME))?;
    let mut code = [0; CODE_LEN];
    elf.read(offset, &mut code).map_err(|error| Unresolved::unreadable(MAX_RESERVED_NAME, error))?;
    let formula = heap_limit::decode(&code, symbol.address).map_err(Unresolved::not_understood)?;
    Ok(HeapLimit { formula, symbol_ref: symbol.at })
}

/// The plan, if what it takes to tell collections has a place.
fn complete(plan: Plan, image: &Image) -> Result<Plan, PlanError> {
    let is_missing = |function: &&Function| plan.missing(function.program).is_some();
    let required = || FUNCTIONS.iter().filter(|function| function.need == Need::Required);
    if !required().any(|function| is_missing(&function)) {
        return Ok(plan);
    }
    let path = image.path.clone();
    if required().all(|function| is_missing(&function)) && !image.elf.has_full_table() {
        let Plan { node_version, v8_version, missing, .. } = plan;
        return Err(PlanError::Stripped(Box::new(Stripped { path, node_version, v8_version, missing })));
    }
    Err(PlanError::Incomplete { path, missing: plan.missing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_looked_for_and_has_a_readable_name() {
        for prefix in FUNCTIONS.iter().flat_map(|function| function.prefixes).chain(&MAX_RESERVED) {
            assert!(is_of_interest(&format!("{prefix}v")), "{prefix}");
            assert!(COMMON_PREFIXES.iter().any(|common| prefix.starts_with(common)), "{prefix}");
        }
        let names: Vec<_> =
            FUNCTIONS.iter().map(|function| symbols::readable(function.prefixes[0])).collect();
        assert_eq!(names[..4], ["SizeOfObjects", "Scavenge", "MarkCompact", "MinorMarkCompact"]);
    }
}

//! Findings about the functions of V8 and Node in one process: where each probe would go.

use memwatch_common::names::probe;

use super::{NOT_OFFICIAL_FIX, function};
use crate::{
    plan::{self, Cache, Missing, Plan, PlanError, ProbeSite, Source},
    report::check::Check,
    target::Target,
    v8::symbols::{At, FUNCTIONS, Need},
};

const STRIPPED_FIX: &str = "run the binary as released, or strip it with --strip-debug only";

/// Findings about every probe that would be placed in `target`.
pub(super) fn checks(pid: u32, target: &Target) -> Vec<Check> {
    match plan::prepare(&target.image, Cache::of_user().as_ref()) {
        Ok((plan, source)) => planned(&plan, source, pid, target.image.bias),
        Err(error) => unplanned(&error),
    }
}

fn planned(plan: &Plan, source: Source, pid: u32, bias: u64) -> Vec<Check> {
    let mut checks = vec![versions(plan, source)];
    checks.extend(probe::ALL.iter().flat_map(|program| of_program(plan, program)));
    checks.push(match plan.limit_factor(pid, bias) {
        Ok(factor) => {
            Check::ok("heap limit", format!("{factor} x semi-space + old generation, from MaxReserved"))
        }
        Err(why) => {
            Check::warn("heap limit", why.to_string(), "none: the time left until the heap limit is unknown")
        }
    });
    checks
}

fn versions(plan: &Plan, source: Source) -> Check {
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "unknown".to_owned());
    let source = match source {
        Source::Cache => "from the cache, confirmed by the file",
        Source::Symbols => "from the symbols of the file",
    };
    Check::ok(
        "versions",
        format!("Node {}, V8 {}; plan {source}", version(&plan.node_version), version(&plan.v8_version)),
    )
}

/// Every place of a program, else why it has none.
fn of_program(plan: &Plan, program: &str) -> Vec<Check> {
    match plan.missing(program) {
        Some(missing) => vec![lacking(missing)],
        None => plan.probes.iter().filter(|site| site.program == program).map(place).collect(),
    }
}

fn place(site: &ProbeSite) -> Check {
    let at = match site.at {
        At::Entry => "entry of",
        At::Return => "return of",
        At::Exits => "exit of",
    };
    let kind = if site.emulated { "emulated" } else { "single-stepped" };
    Check::ok(
        name(&site.program),
        format!(
            "{at} {} at {:#x}: {} ({kind})",
            function::name(&site.symbol),
            site.file_offset,
            site.instruction
        ),
    )
}

fn lacking(missing: &Missing) -> Check {
    let is_required = FUNCTIONS
        .iter()
        .any(|function| function.program == missing.program && function.need == Need::Required);
    let name = name(&missing.program);
    if is_required {
        Check::fail(name, &missing.reason, NOT_OFFICIAL_FIX)
    } else {
        Check::warn(name, &missing.reason, "none: the rest is watched")
    }
}

fn name(program: &str) -> String {
    format!("probe {program}")
}

fn unplanned(error: &PlanError) -> Vec<Check> {
    let fix = if matches!(error, PlanError::Stripped(_)) { STRIPPED_FIX } else { NOT_OFFICIAL_FIX };
    let mut checks = vec![Check::fail("probes", error.to_string(), fix)];
    if let PlanError::Incomplete { missing, .. } = error {
        checks.extend(missing.iter().map(lacking));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::check::State;

    #[test]
    fn places_and_lacks_of_programs() {
        let missing = |program: &str| Missing { program: program.to_owned(), reason: "no symbol".to_owned() };
        let (optional, required) = (lacking(&missing(probe::V8_OOM)), lacking(&missing(probe::GC_ENTER)));
        assert_eq!((optional.state, required.state), (State::Warn, State::Fail));
        assert_eq!(optional.name, "probe v8_oom");
    }
}

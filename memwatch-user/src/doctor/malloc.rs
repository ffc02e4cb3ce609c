//! Findings about the allocator of one process: where each probe on it would go.

use crate::{
    plan::malloc::{self, MallocPlan, MallocProbe, Point},
    report::check::Check,
    target::maps,
};

/// Findings about the allocator of the process `pid`.
pub(super) fn checks(pid: u32) -> Vec<Check> {
    let plan = match malloc::prepare(pid, &maps::of(pid).unwrap_or_default()) {
        Ok(plan) => plan,
        Err(error) => {
            return vec![Check::warn(
                "malloc",
                error.to_string(),
                "none: what holds native memory is unknown",
            )];
        }
    };
    let mut checks = vec![modes(&plan)];
    checks.extend(plan.probes.iter().filter(|probe| is_used(&plan, probe)).map(place));
    checks
}

fn modes(plan: &MallocPlan) -> Check {
    let path = &plan.library.path;
    let name = plan.allocator.name();
    if let Err(why) = plan.marks {
        let detail = format!("{name} in {path}: {why}");
        return Check::warn("malloc", detail, "use --native full for a short investigation");
    }
    let seen = if plan.has_misses() { "its slow path, or all blocks" } else { "all blocks" };
    Check::ok("malloc", format!("{name} in {path}; probes on {seen}; {} wrappers", plan.wrappers.len()))
}

/// Whether any mode has a program for this place.
fn is_used(plan: &MallocPlan, probe: &MallocProbe) -> bool {
    let scopes = [malloc::Scope::Misses, malloc::Scope::Allocations, malloc::Scope::All];
    scopes.iter().any(|scope| plan.uses(*scope).iter().any(|one| one.probe == probe))
}

fn place(probe: &MallocProbe) -> Check {
    let at = match probe.point {
        Point::Miss => "behind the slow path of",
        Point::Hit => "behind the fast path of",
        Point::Result => "behind all paths of",
        Point::Entry => "entry of",
        Point::Return => "return of",
    };
    let kind = if probe.emulated { "emulated" } else { "single-stepped" };
    let MallocProbe { function, file_offset, instruction, .. } = probe;
    Check::ok(
        format!("probe {function}"),
        format!("{at} {function} at {file_offset:#x}: {instruction} ({kind})"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::check::State;

    #[test]
    fn our_own_allocator_is_found_and_every_place_is_shown() {
        let checks = checks(std::process::id());
        assert_eq!((checks[0].name.as_str(), checks[0].state), ("malloc", State::Ok));
        for text in ["behind the fast path of malloc", "entry of free", "return of realloc"] {
            assert!(checks.iter().any(|check| check.detail.contains(text)), "{text}: {checks:#?}");
        }
    }

    #[test]
    fn what_has_no_allocator_is_a_warning() {
        assert_eq!(checks(0)[0].state, State::Warn);
    }
}

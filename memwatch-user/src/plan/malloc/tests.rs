//! The plan for this very process's allocator.

use super::*;
use crate::target::maps;

fn own() -> MallocPlan {
    let pid = std::process::id();
    prepare(pid, &maps::of(pid).unwrap()).unwrap()
}

#[test]
fn every_probe_of_our_own_allocator_is_cheap() {
    let plan = own();
    if plan.allocator != Allocator::Glibc {
        return;
    }
    assert!(plan.has_misses() && plan.points_suffice("malloc"), "{:#?}", plan.probes);
    for scope in [Scope::Misses, Scope::Allocations, Scope::All] {
        // `memalign` and its kin are rare.
        let frequent = |function| ["malloc", "calloc", "realloc", "free"].contains(&function);
        for one in plan.uses(scope).iter().filter(|one| frequent(one.probe.function)) {
            assert!(one.probe.emulated, "{scope:?}: {one:?}");
        }
    }
}

#[test]
fn each_scope_sees_more_than_the_one_before() {
    let plan = own();
    let programs = |scope| plan.uses(scope).iter().map(|one| one.program).collect::<Vec<_>>();
    let (misses, allocations, all) =
        (programs(Scope::Misses), programs(Scope::Allocations), programs(Scope::All));
    assert!(misses.iter().all(|program| *program == malloc_probe::POINT_SAMPLED), "{misses:?}");
    assert!(allocations.len() > misses.len());
    for program in [malloc_probe::FREED, malloc_probe::REALLOC_ENTER, malloc_probe::REALLOC_EXIT] {
        assert!(all.contains(&program), "{all:?}");
    }
    assert_eq!(all.last(), Some(&malloc_probe::FREED), "freeing is the most frequent of all");
}

#[test]
fn a_process_without_an_allocator_says_so() {
    assert_eq!(prepare(std::process::id(), &[]).unwrap_err(), MallocPlanError::Unknown);
}

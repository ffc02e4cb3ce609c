//! The places of one function's probes, and which of them a mode uses.

use iced_x86::Instruction;
use memwatch_common::{names::malloc_probe, native::asked};

use super::{MallocPlan, MallocProbe, Point, Scope, Use, decode};
use crate::{
    plan::placement::is_emulated,
    target::elf::{Elf, Unwind},
};

/// The places in `function`, whose instructions are `code`; none if it cannot be probed at all.
pub(super) fn of(
    elf: &Elf,
    function: &'static str,
    code: &[Instruction],
    unwind: &Unwind,
    is_glibc: bool,
) -> Vec<MallocProbe> {
    let probe = |point, at: &Instruction, frame| {
        Some(MallocProbe {
            function,
            point,
            file_offset: elf.code_offset(at.ip())?,
            frame,
            instruction: at.to_string(),
            emulated: is_emulated(at),
        })
    };
    let mut probes = Vec::new();
    if is_glibc && ["malloc", "calloc"].contains(&function) {
        probes.extend(
            points(function, code)
                .into_iter()
                .filter_map(|(point, at)| probe(point, at, unwind.frame_offset(at.ip())?)),
        );
    }
    let (entry, first) = (decode::entry(code), code.first());
    probes.extend(entry.and_then(|at| probe(Point::Entry, at, 0)));
    probes.extend(first.and_then(|at| probe(Point::Return, at, 0)));
    probes
}

/// The points of glibc's `malloc` or `calloc`: the checks of what the one function returned that both call most,
/// `_int_malloc`. Two at least: for one arena and for many.
fn points<'a>(function: &str, code: &'a [Instruction]) -> Vec<(Point, &'a Instruction)> {
    let calls = decode::checked_calls(code);
    let count = |to: u64| calls.iter().filter(|(other, _)| *other == to).count();
    let Some(to) = calls.iter().map(|(to, _)| *to).max_by_key(|to| count(*to)).filter(|to| count(*to) > 1)
    else {
        return Vec::new();
    };
    let misses = calls.iter().filter(|(other, _)| *other == to).map(|(_, at)| (Point::Miss, *at));
    let hit = decode::cache_hit(code).filter(|_| function == "malloc").map(|at| (Point::Hit, at));
    misses.chain(hit).collect()
}

/// The program that a place gets so that `scope` is seen.
pub(super) fn uses<'a>(
    plan: &MallocPlan,
    probe: &'a MallocProbe,
    scope: Scope,
    has_chunks: bool,
) -> Option<Use<'a>> {
    let suffices = plan.points_suffice(probe.function);
    let program = match scope {
        Scope::Misses => (probe.point == Point::Miss).then_some((malloc_probe::POINT_SAMPLED, probe.frame)),
        Scope::Allocations => sampled(probe, suffices),
        Scope::All => followed(probe, suffices, has_chunks),
        Scope::Nothing => followed(probe, suffices, has_chunks).map(|_| (malloc_probe::EMPTY, 0)),
    };
    let busy = ["malloc", "free"].contains(&probe.function) && probe.point != Point::Miss;
    program.map(|(program, cookie)| Use { program, probe, cookie, busy })
}

fn sampled(probe: &MallocProbe, suffices: bool) -> Option<(&'static str, u64)> {
    match probe.point {
        Point::Miss | Point::Hit => suffices.then_some((malloc_probe::POINT_SAMPLED, probe.frame)),
        Point::Return if suffices || ["free", "posix_memalign"].contains(&probe.function) => None,
        Point::Return => Some((malloc_probe::RETURN_SAMPLED, 0)),
        Point::Entry => None,
    }
}

fn followed(probe: &MallocProbe, suffices: bool, has_chunks: bool) -> Option<(&'static str, u64)> {
    Some(match (probe.point, probe.function) {
        (Point::Miss | Point::Hit, _) if suffices => (malloc_probe::POINT_FOLLOWED, probe.frame),
        (Point::Miss | Point::Hit, _) | (Point::Return, "free") => return None,
        (Point::Return, "realloc") => (malloc_probe::REALLOC_EXIT, 0),
        (Point::Return, "posix_memalign") => (malloc_probe::MEMALIGN_EXIT, 0),
        (Point::Return, _) if suffices => return None,
        (Point::Return, _) => (malloc_probe::RETURN_FOLLOWED, 0),
        (Point::Entry, "free") => (malloc_probe::FREED, 0),
        (Point::Entry, "realloc") => (malloc_probe::REALLOC_ENTER, 0),
        (Point::Entry, "posix_memalign") => (malloc_probe::MEMALIGN_ENTER, 0),
        (Point::Entry, _) if has_chunks => return None,
        (Point::Entry, "calloc") => (malloc_probe::ALLOC_ENTER, asked::PRODUCT),
        (Point::Entry, "memalign" | "aligned_alloc") => (malloc_probe::ALLOC_ENTER, asked::SECOND),
        (Point::Entry, _) => (malloc_probe::ALLOC_ENTER, asked::FIRST),
    })
}

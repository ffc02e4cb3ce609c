//! The places of one function's probes, and which of them a mode uses.

use iced_x86::Instruction;
use memwatch_common::{
    names::malloc_probe,
    native::{Spot, asked},
};

use super::{ALIGNED, MallocPlan, MallocProbe, Marks, Point, Scope, Use, decode};
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
    let mut probes = Vec::new();
    if is_glibc && ["malloc", "calloc"].contains(&function) {
        probes.extend(points(function, code).into_iter().filter_map(|(point, instruction)| {
            let frame = u16::try_from(unwind.frame_offset(instruction.ip())?).ok()?;
            at(elf, function, point, instruction, Spot { frame, ..Spot::default() })
        }));
    }
    let ends = [(Point::Entry, decode::entry(code)), (Point::Return, code.first())];
    let ends = ends.into_iter().filter_map(|(point, end)| at(elf, function, point, end?, Spot::default()));
    probes.extend(ends);
    probes
}

/// A place of a probe.
pub(super) fn at(
    elf: &Elf,
    function: &'static str,
    point: Point,
    instruction: &Instruction,
    spot: Spot,
) -> Option<MallocProbe> {
    Some(MallocProbe {
        function,
        point,
        file_offset: elf.code_offset(instruction.ip())?,
        spot,
        instruction: instruction.to_string(),
        emulated: is_emulated(instruction),
    })
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
pub(super) fn uses<'a>(plan: &MallocPlan, probe: &'a MallocProbe, scope: Scope) -> Option<Use<'a>> {
    let program = match scope {
        Scope::Misses if probe.point == Point::Miss => {
            Some((malloc_probe::POINT_SAMPLED, probe.spot.cookie()))
        }
        Scope::Misses => None,
        Scope::Allocations => sampled(plan, probe),
        Scope::All => followed(plan, probe),
        Scope::Nothing => followed(plan, probe).map(|_| (malloc_probe::EMPTY, 0)),
    };
    let busy = ["malloc", "free"].contains(&probe.function) && probe.point != Point::Miss;
    program.map(|(program, cookie)| Use { program, probe, cookie, busy })
}

fn sampled(plan: &MallocPlan, probe: &MallocProbe) -> Option<(&'static str, u64)> {
    let suffices = plan.points_suffice(probe.function);
    match probe.point {
        Point::Miss | Point::Hit | Point::Result => {
            suffices.then_some((malloc_probe::POINT_SAMPLED, probe.spot.cookie()))
        }
        // Traces of `free` are not where such a block begins.
        _ if plan.marks == Ok(Marks::Linked) && ALIGNED.contains(&probe.function) => None,
        Point::Return if suffices || ["free", "posix_memalign"].contains(&probe.function) => None,
        // What it gets from `malloc` is seen there.
        _ if probe.function == "realloc" && plan.has("malloc", Point::Result) => None,
        Point::Return => Some((malloc_probe::RETURN_SAMPLED, 0)),
        Point::Entry => asked(plan, probe),
    }
}

fn followed(plan: &MallocPlan, probe: &MallocProbe) -> Option<(&'static str, u64)> {
    let suffices = plan.points_suffice(probe.function);
    Some(match (probe.point, probe.function) {
        (Point::Miss | Point::Hit | Point::Result, _) if suffices => {
            (malloc_probe::POINT_FOLLOWED, probe.spot.cookie())
        }
        (Point::Miss | Point::Hit | Point::Result, _) | (Point::Return, "free") => return None,
        (Point::Return, "realloc" | "reallocarray") => (malloc_probe::REALLOC_EXIT, 0),
        (Point::Return, "posix_memalign") => (malloc_probe::MEMALIGN_EXIT, 0),
        (Point::Return, _) if suffices => return None,
        (Point::Return, _) => (malloc_probe::RETURN_FOLLOWED, 0),
        (Point::Entry, "free") => (malloc_probe::FREED, 0),
        (Point::Entry, "realloc") => (malloc_probe::REALLOC_ENTER, asked::SECOND),
        (Point::Entry, "reallocarray") => (malloc_probe::REALLOC_ENTER, asked::LAST_PRODUCT),
        (Point::Entry, "posix_memalign") => (malloc_probe::MEMALIGN_ENTER, 0),
        (Point::Entry, _) => return asked(plan, probe),
    })
}

/// Entry of an allocating function: what it is asked for, unless the block says so.
fn asked(plan: &MallocPlan, probe: &MallocProbe) -> Option<(&'static str, u64)> {
    let cookie = match probe.function {
        "free" | "posix_memalign" => return None,
        "calloc" => asked::PRODUCT,
        "realloc" | "memalign" | "aligned_alloc" => asked::SECOND,
        "reallocarray" => asked::LAST_PRODUCT,
        _ => asked::FIRST,
    };
    (!plan.has_chunks()).then_some((malloc_probe::ALLOC_ENTER, cookie))
}

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

/// The programs that a place gets so that `scope` is seen.
pub(super) fn uses<'a>(
    plan: &MallocPlan,
    probe: &'a MallocProbe,
    scope: Scope,
    has_chunks: bool,
) -> Vec<Use<'a>> {
    let one = |program, cookie| vec![Use { program, probe, cookie }];
    let suffices = plan.points_suffice(probe.function);
    match (scope, probe.point) {
        (Scope::Misses, Point::Miss) => one(malloc_probe::POINT_SAMPLED, probe.frame),
        (Scope::Misses, _) => Vec::new(),
        (Scope::Allocations, Point::Miss | Point::Hit) if suffices => {
            one(malloc_probe::POINT_SAMPLED, probe.frame)
        }
        (Scope::All, Point::Miss | Point::Hit) if suffices => one(malloc_probe::POINT_FOLLOWED, probe.frame),
        (_, Point::Miss | Point::Hit) => Vec::new(),
        (Scope::Allocations, Point::Return) => match probe.function {
            "free" | "posix_memalign" => Vec::new(),
            _ if suffices => Vec::new(),
            _ => one(malloc_probe::RETURN_SAMPLED, 0),
        },
        (Scope::Allocations, Point::Entry) => Vec::new(),
        (Scope::All, Point::Return) => match probe.function {
            "free" => Vec::new(),
            "realloc" => one(malloc_probe::REALLOC_EXIT, 0),
            "posix_memalign" => one(malloc_probe::MEMALIGN_EXIT, 0),
            _ if suffices => Vec::new(),
            _ => one(malloc_probe::RETURN_FOLLOWED, 0),
        },
        (Scope::All, Point::Entry) => match probe.function {
            "free" => one(malloc_probe::FREED, 0),
            "realloc" => one(malloc_probe::REALLOC_ENTER, 0),
            "posix_memalign" => one(malloc_probe::MEMALIGN_ENTER, 0),
            _ if has_chunks => Vec::new(),
            "calloc" => one(malloc_probe::ALLOC_ENTER, asked::PRODUCT),
            "memalign" | "aligned_alloc" => one(malloc_probe::ALLOC_ENTER, asked::SECOND),
            _ => one(malloc_probe::ALLOC_ENTER, asked::FIRST),
        },
    }
}

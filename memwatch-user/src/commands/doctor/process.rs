//! Findings about one process: what it is, and where each probe would go in it.

use memwatch_common::{names::probe, outside::OutsideLayout};

use super::{Check, malloc};
use crate::{
    host::{cgroup::MemoryCgroup, clock},
    plan::{self, Cache, Missing, Plan, PlanError, ProbeSite, Source},
    sample::Sampler,
    target::{self, Target, TargetError, text::printable},
    v8::symbols::{At, FUNCTIONS, Need},
};

const STRIPPED_FIX: &str = "run the binary as released, or strip it with --strip-debug only";
const NOT_OFFICIAL_FIX: &str = "run an official build of Node.js";

/// Findings about the process `pid`. Reads it, and changes nothing; where it makes a plan the next watch finds it cached.
#[must_use]
pub fn checks(pid: u32) -> Vec<Check> {
    let target = match target::examine(pid) {
        Ok(target) => target,
        Err(error) => {
            return vec![Check::fail("process", error.to_string(), fix(&error))];
        }
    };
    let sampler = Sampler::new(pid, None, OutsideLayout::UNKNOWN);
    let books = books(&sampler);
    let mut checks =
        vec![identity(&target, sampler), image(&target), libraries(&target), books, container(&target)];
    match plan::prepare(&target.image, Cache::of_user().as_ref()) {
        Ok((plan, source)) => checks.extend(planned(&plan, source, pid, target.image.bias)),
        Err(error) => checks.extend(unplanned(&error)),
    }
    checks.extend(malloc::checks(pid));
    checks
}

/// What to do about a process that cannot be watched.
fn fix(error: &TargetError) -> &'static str {
    match error {
        TargetError::Permission { .. } => "run as root, for example with sudo",
        TargetError::Protected { .. } => "none: another process can be watched",
        TargetError::Replaced { .. } => "run as root, or restart the process",
        TargetError::Elf { .. } | TargetError::Io { .. } => NOT_OFFICIAL_FIX,
        _ => "`memwatch-bpf list` shows the Node.js processes of this host",
    }
}

fn identity(target: &Target, mut sampler: Sampler) -> Check {
    let pid = target.process.id.pid;
    let now = sampler.read(clock::now(), &[]);
    let fact = |value: Option<u64>, name: &str| value.map(|value| format!("{value} {name}"));
    let facts = [
        Some(format!("{pid} {}", target.process.comm)),
        fact(now.rss.map(|bytes| bytes >> 20), "MiB resident"),
        fact(now.threads, "threads"),
        fact(now.descriptors.map(|descriptors| descriptors.total), "open files"),
    ];
    Check::ok("process", facts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn image(target: &Target) -> Check {
    let build_id = target.image.build_id.as_deref().unwrap_or("none");
    Check::ok("V8 in", format!("{}, build id {build_id}", target.image.path))
}

fn libraries(target: &Target) -> Check {
    let libc = target.libc.map_or("unknown", |libc| libc.name());
    let allocator = target.allocator.map_or("unknown", |allocator| allocator.name());
    Check::ok("libc", format!("{libc}, allocator {allocator}"))
}

fn books(sampler: &Sampler) -> Check {
    match sampler.no_books() {
        None => Check::ok(
            "native",
            "the allocator's statistics can be read: leaks and fragmentation are told apart",
        ),
        Some(why) => Check::warn(
            "native",
            why.to_string(),
            "none: the verdict falls back to unexplained RSS, and takes longer",
        ),
    }
}

fn container(target: &Target) -> Check {
    let container = target.container.as_deref().unwrap_or("none");
    let memory = MemoryCgroup::of(target.process.id.pid).and_then(|cgroup| cgroup.memory());
    let memory = match memory.map(|memory| (memory.current >> 20, memory.max)) {
        Some((current, Some(max))) => format!("{current} of {} MiB in its cgroup", max >> 20),
        Some((current, None)) => format!("{current} MiB in its cgroup, no limit"),
        None => "its cgroup's memory cannot be read".to_owned(),
    };
    Check::ok("container", format!("{container}; {memory}"))
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
        format!("{at} {} at {:#x}: {} ({kind})", function(&site.symbol), site.file_offset, site.instruction),
    )
}

/// `Heap::CollectGarbage` from `_ZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceE…`; the compiler's copies keep
/// their suffix. A name of another form is shown as it is.
fn function(symbol: &str) -> String {
    let names = nested_names(symbol);
    let own = names.strip_prefix(&["v8", "internal"]).unwrap_or(&names);
    if own.is_empty() {
        return printable(symbol.as_bytes());
    }
    let copy = symbol.find('.').map_or("", |dot| &symbol[dot..]);
    printable(format!("{}{copy}", own.join("::")).as_bytes())
}

/// The names of a nested name of the C++ ABI: `_ZN`, perhaps `K`, then each with its length before it.
fn nested_names(symbol: &str) -> Vec<&str> {
    let Some(mut rest) = symbol.strip_prefix("_ZN") else { return Vec::new() };
    rest = rest.strip_prefix('K').unwrap_or(rest);
    let mut names = Vec::new();
    while let Some((name, after)) = split_name(rest) {
        names.push(name);
        rest = after;
    }
    names
}

fn split_name(text: &str) -> Option<(&str, &str)> {
    let digits = text.find(|char: char| !char.is_ascii_digit())?;
    let length: usize = text[..digits].parse().ok()?;
    text[digits..].split_at_checked(length)
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
    use crate::commands::doctor::State;

    #[test]
    fn functions_are_named_as_in_the_source() {
        let cases = [
            (
                "_ZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceENS0_23GarbageCollectionReasonE",
                "Heap::CollectGarbage",
            ),
            ("_ZNK2v88internal4Heap13SizeOfObjectsEv", "Heap::SizeOfObjects"),
            ("_ZN2v88internal4Heap8ScavengeEv.constprop.0", "Heap::Scavenge.constprop.0"),
            ("main", "main"),
            ("_ZN99xE", "_ZN99xE"),
            ("_ZN2\u{e9}xE\x1b", "\u{e9}"),
            ("_ZN3\u{e9}\u{e9}E", "_ZN3\u{e9}\u{e9}E"),
            ("_ZN", "_ZN"),
        ];
        for (symbol, name) in cases {
            assert_eq!(function(symbol), name);
        }
    }

    #[test]
    fn places_and_lacks_of_programs() {
        let missing = |program: &str| Missing { program: program.to_owned(), reason: "no symbol".to_owned() };
        let (optional, required) = (lacking(&missing(probe::V8_OOM)), lacking(&missing(probe::GC_ENTER)));
        assert_eq!((optional.state, required.state), (State::Warn, State::Fail));
        assert_eq!(optional.name, "probe v8_oom");
    }

    #[test]
    fn what_is_no_node_is_one_finding() {
        for (pid, word) in [(std::process::id(), "not a Node.js process"), (0, "not a process id")] {
            let found = checks(pid);
            assert_eq!(found.len(), 1);
            assert!(found[0].state == State::Fail && found[0].detail.contains(word), "{found:?}");
        }
    }
}

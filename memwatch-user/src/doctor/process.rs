//! Findings about one process: what it is, and what can be read of it.

use memwatch_common::outside::OutsideLayout;

use super::{NOT_OFFICIAL_FIX, malloc, probes};
use crate::{
    host::{cgroup::MemoryCgroup, clock},
    report::check::Check,
    sample::{Request, Sampler},
    target::{self, Target, TargetError},
};

/// Findings about the process `pid`. Reads it, and changes nothing; where it makes a plan the next watch finds it cached.
#[must_use]
pub(crate) fn checks(pid: u32) -> Vec<Check> {
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
    checks.extend(probes::checks(pid, &target));
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
    let now = sampler.read(clock::now(), &Request::everything());
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
            "the allocator's statistics can be read: leaks and fragmentation can be distinguished",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::check::State;

    #[test]
    fn what_is_no_node_is_one_finding() {
        for (pid, word) in [(std::process::id(), "not a Node.js process"), (0, "not a process id")] {
            let found = checks(pid);
            assert_eq!(found.len(), 1);
            assert!(found[0].state == State::Fail && found[0].detail.contains(word), "{found:?}");
        }
    }
}

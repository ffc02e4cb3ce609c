//! Findings about the host and our own rights.

use std::collections::BTreeSet;

use memwatch_common::target::TaskLayout;

use super::{Check, State};
use crate::{
    host::{
        features::Features,
        kernel::Kernel,
        rights::{Lockdown, Missing as Lacking, Need, Rights, RightsError},
    },
    native::direct::Direct,
    target::text::printable,
};

/// How the rights of root are had.
const AS_ROOT: &str = "run as root, for example with sudo";
/// Name of the findings about capabilities.
const CAPABILITIES: &str = "capabilities";

/// Findings about the host and our own rights. Looks at nothing itself.
#[must_use]
pub fn checks(kernel: &Kernel, features: Features, rights: &Rights) -> Vec<Check> {
    let mut checks = vec![release(kernel)];
    checks.extend(capabilities(kernel, rights));
    checks.extend([namespaces(rights), lockdown(rights)]);
    checks.extend(not_dumpable(rights));
    checks.extend(of_features(features, rights));
    checks.extend(locked_memory(kernel, rights));
    checks.extend(sysctls(rights));
    checks
}

fn release(kernel: &Kernel) -> Check {
    let name = "kernel";
    if kernel.version.at_least(5, 10) {
        Check::ok(name, &kernel.release)
    } else {
        Check::warn(
            name,
            format!("{}: older than the oldest kernel that is tested", kernel.release),
            "kernel 5.10 or newer",
        )
    }
}

/// One finding for each capability that is missing, with what is lost without it.
fn capabilities(kernel: &Kernel, rights: &Rights) -> Vec<Check> {
    let missing = rights.missing(kernel.version);
    if missing.is_empty() {
        return vec![Check::ok(CAPABILITIES, "all that are needed; each was tried")];
    }
    let mut named = BTreeSet::new();
    missing.iter().filter(|missing| named.insert(missing.capability)).map(lacking).collect()
}

fn lacking(missing: &Lacking) -> Check {
    let Lacking { need, capability } = missing;
    let state = if need.essential() { State::Fail } else { State::Warn };
    let detail = format!("{capability} is missing: {}", need.loss());
    Check { state, ..Check::warn(CAPABILITIES, detail, format!("{AS_ROOT}; or grant {capability}")) }
}

/// A binary with file capabilities (setcap) is not dumpable, so that its own files in /proc belong to root.
fn not_dumpable(rights: &Rights) -> Option<Check> {
    (!rights.dumpable).then(|| {
        Check::warn(
            "dumpable",
            "this binary has file capabilities, so this process is not dumpable: its own files in /proc belong to root \
             (it takes CAP_DAC_READ_SEARCH to read them), it leaves no core dump, and LD_PRELOAD is ignored",
            "grant the capabilities to the process instead (systemd AmbientCapabilities=, setpriv --ambient-caps)",
        )
    })
}

fn namespaces(rights: &Rights) -> Check {
    let name = "namespaces";
    if !rights.host_user_namespace {
        return Check::fail(name, "root of a user namespace only", RightsError::UserNamespace.to_string());
    }
    if !rights.host_pid_namespace {
        return Check::fail(name, "pids are not the host's", RightsError::PidNamespace.to_string());
    }
    Check::ok(name, "pid and user: the host's")
}

fn lockdown(rights: &Rights) -> Check {
    let name = "lockdown";
    match rights.lockdown {
        Lockdown::None => Check::ok(name, "none"),
        Lockdown::Integrity => Check::ok(name, "integrity: nothing that is needed is denied"),
        Lockdown::Confidentiality => Check::warn(
            name,
            "confidentiality: exit codes and signals of processes cannot be read",
            "boot with lockdown=integrity if you need them",
        ),
    }
}

/// What it means if a feature is missing, and what has it.
type Missing = fn(&'static str, &'static str, &'static str) -> Check;

fn of_features(features: Features, rights: &Rights) -> [Check; 6] {
    let may_ask = !rights.is_refused(Need::LoadPrograms);

    let check = |found, name, ok: &str, missing: Missing, without, fix| {
        if found { Check::ok(name, ok) } else { missing(name, without, fix) }
    };
    [
        check(
            features.ring_buffer,
            "ring buffer",
            "events are received as they happen",
            Check::fail,
            "the kernel has none: events cannot be received",
            "kernel 5.8 or newer",
        ),
        check(
            features.uprobe_pmu,
            "uprobes",
            "by perf_event_open; tracefs is not needed",
            Check::fail,
            "the kernel has no uprobe PMU: functions cannot be probed",
            "a kernel with CONFIG_UPROBE_EVENTS=y",
        ),
        check(
            features.attach_cookie,
            "cookies",
            "one set of probes serves all processes of a binary",
            Check::warn,
            "the kernel has none: each process gets its own probes",
            "kernel 5.15 or newer",
        ),
        check(
            features.uprobe_multi,
            "uprobe links",
            "probes on the allocator are removed at once",
            Check::warn,
            if may_ask {
                "the kernel has none: removing probes from the allocator slows a busy process down for up to a second"
            } else {
                "unknown: only a process that may load eBPF programs can ask the kernel"
            },
            if may_ask { "kernel 6.10 or newer, or a later update of 6.6" } else { AS_ROOT },
        ),
        check(
            features.raw_tracepoints,
            "tracepoints",
            "exec, exit and OOM kills are seen; tracefs is not needed",
            Check::warn,
            "the kernel has no raw ones: exec, exit and OOM kills are not seen as they happen",
            "kernel 4.17 or newer with CONFIG_BPF_EVENTS=y",
        ),
        check(
            features.btf,
            "BTF",
            "the kernel describes its own types",
            Check::warn,
            "the kernel has none: exit codes and signals are not known",
            "a kernel with CONFIG_DEBUG_INFO_BTF=y",
        ),
    ]
}

/// Whether memory that processes map past malloc can be followed. Tries it for a moment, for no process.
pub(super) fn mappings(features: Features, rights: &Rights) -> Check {
    let name = "mappings";
    if rights.is_refused(Need::LoadPrograms) || rights.is_refused(Need::PlaceProbes) {
        return Check::warn(name, "not tried: this needs eBPF programs and probes", AS_ROOT);
    }
    let started = Direct::start(features, TaskLayout::UNKNOWN, None).map_err(|error| error.to_string());
    let tried = started.and_then(|direct| {
        let attached = direct.attached();
        direct.stop();
        attached
    });
    match tried {
        Ok(true) => Check::ok(name, "memory mapped past malloc is followed, by probes in the kernel"),
        Ok(false) => Check::ok(
            name,
            "memory mapped past malloc is followed, by probes in the C library: kernel functions cannot be traced",
        ),
        Err(reason) => Check::warn(
            name,
            format!(
                "memory mapped past malloc cannot be followed: {}",
                printable(reason.lines().next().unwrap_or_default().as_bytes())
            ),
            "kernel 5.10 or newer with CONFIG_UPROBE_EVENTS=y",
        ),
    }
}

/// Maps count as locked memory before 5.11 only; ours are a few MiB.
fn locked_memory(kernel: &Kernel, rights: &Rights) -> Option<Check> {
    const NEEDED: u64 = 16 << 20;
    if kernel.version.at_least(5, 11) {
        return None;
    }
    let name = "locked memory";
    Some(match rights.memlock_bytes {
        Some(limit) if limit < NEEDED && !rights.can_raise_limits() => Check::fail(
            name,
            format!("limited to {} KiB, and before kernel 5.11 maps count", limit >> 10),
            "ulimit -l unlimited, or CAP_SYS_RESOURCE",
        ),
        _ => Check::ok(name, "enough"),
    })
}

/// For information: they restrict only those without the capabilities.
fn sysctls(rights: &Rights) -> Option<Check> {
    let value = |name: &str, value: Option<i32>| value.map(|value| format!("{name} {value}"));
    let known = [
        value("perf_event_paranoid", rights.perf_event_paranoid),
        value("unprivileged_bpf_disabled", rights.unprivileged_bpf_disabled),
    ];
    let known: Vec<_> = known.into_iter().flatten().collect();
    (!known.is_empty())
        .then(|| Check::ok("sysctls", format!("{} (root is not restricted)", known.join(", "))))
}

#[cfg(test)]
mod tests {
    use rustix::thread::CapabilitySet;

    use super::*;
    use crate::{commands::doctor::render, host::kernel::KernelVersion};

    const ALL: Features = Features {
        ring_buffer: true,
        attach_cookie: true,
        uprobe_pmu: true,
        uprobe_multi: true,
        raw_tracepoints: true,
        btf: true,
    };
    const ROOT: Rights = Rights {
        effective: CapabilitySet::all(),
        refused: [false; 5],
        dumpable: true,
        host_pid_namespace: true,
        host_user_namespace: true,
        lockdown: Lockdown::None,
        memlock_bytes: Some(8 << 20),
        perf_event_paranoid: Some(2),
        unprivileged_bpf_disabled: None,
    };

    fn kernel(release: &str) -> Kernel {
        Kernel { release: release.to_owned(), version: KernelVersion::from_release(release) }
    }

    #[test]
    fn a_host_on_which_all_is_well() {
        let expected = [
            "ok    kernel        6.1.0-56-amd64",
            "ok    capabilities  all that are needed; each was tried",
            "ok    namespaces    pid and user: the host's",
            "ok    lockdown      none",
            "ok    ring buffer   events are received as they happen",
            "ok    uprobes       by perf_event_open; tracefs is not needed",
            "ok    cookies       one set of probes serves all processes of a binary",
            "ok    uprobe links  probes on the allocator are removed at once",
            "ok    tracepoints   exec, exit and OOM kills are seen; tracefs is not needed",
            "ok    BTF           the kernel describes its own types",
            "ok    sysctls       perf_event_paranoid 2 (root is not restricted)",
        ];
        assert_eq!(render(&checks(&kernel("6.1.0-56-amd64"), ALL, &ROOT), false), expected);
    }

    #[test]
    fn a_host_on_which_nothing_is() {
        let none = ALL.without(&[
            crate::host::features::FeatureName::RingBuffer,
            crate::host::features::FeatureName::AttachCookie,
            crate::host::features::FeatureName::UprobeMulti,
            crate::host::features::FeatureName::UprobePmu,
            crate::host::features::FeatureName::RawTracepoints,
            crate::host::features::FeatureName::Btf,
        ]);
        let rights = Rights {
            effective: CapabilitySet::empty(),
            refused: [true, true, false, false, false],
            host_pid_namespace: false,
            lockdown: Lockdown::Confidentiality,
            memlock_bytes: Some(64 << 10),
            ..ROOT
        };
        let found = checks(&kernel("5.4.0"), none, &rights);
        let states: Vec<_> = found.iter().map(|check| (check.name.as_str(), check.state)).collect();
        let expected = [
            ("kernel", State::Warn),
            ("capabilities", State::Fail),
            ("namespaces", State::Fail),
            ("lockdown", State::Warn),
            ("ring buffer", State::Fail),
            ("uprobes", State::Fail),
            ("cookies", State::Warn),
            ("uprobe links", State::Warn),
            ("tracepoints", State::Warn),
            ("BTF", State::Warn),
            ("locked memory", State::Fail),
            ("sysctls", State::Ok),
        ];
        assert_eq!(states, expected);
        assert!(found.iter().all(|check| check.fix.is_some() == (check.state != State::Ok)));
    }

    #[test]
    fn what_only_narrows_is_no_failure() {
        let effective = CapabilitySet::BPF | CapabilitySet::PERFMON;
        let rights = Rights { effective, refused: [false, false, true, true, false], ..ROOT };
        let found = capabilities(&kernel("6.1.0"), &rights);
        assert!(found.iter().all(|check| check.state == State::Warn), "{found:?}");
        assert_eq!(found[0].detail, "CAP_SYS_PTRACE is missing: processes of other users cannot be watched");
        let rootless = Rights { host_user_namespace: false, ..ROOT };
        assert_eq!(namespaces(&rootless).state, State::Fail);
    }

    /// Nobody without rights is sent to look for another kernel.
    #[test]
    fn without_rights_the_fix_is_root() {
        let rights = Rights { effective: CapabilitySet::empty(), refused: [true; 5], ..ROOT };
        let features = Features { uprobe_multi: false, ..ALL };
        let mut found = checks(&kernel("6.18.0"), features, &rights);
        found.push(mappings(features, &rights));
        let fixes: Vec<_> = found.iter().filter_map(|check| check.fix.as_deref()).collect();
        assert!(fixes.len() == 6 && fixes.iter().all(|fix| fix.starts_with(AS_ROOT)), "{found:#?}");
    }

    #[test]
    fn file_capabilities_have_their_price() {
        let check = not_dumpable(&Rights { dumpable: false, ..ROOT }).unwrap();
        assert!(check.state == State::Warn && check.detail.contains("CAP_DAC_READ_SEARCH"), "{check:?}");
        assert_eq!(not_dumpable(&ROOT), None);
    }
}

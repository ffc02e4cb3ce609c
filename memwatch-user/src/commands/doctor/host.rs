//! Findings about the host and our own rights.

use memwatch_common::target::TaskLayout;

use super::{Check, State};
use crate::{
    host::{
        features::Features,
        kernel::Kernel,
        rights::{Lockdown, Rights, RightsError},
    },
    native::direct::Direct,
    target::text::printable,
};

/// Findings about the host and our own rights. Looks at nothing itself.
#[must_use]
pub fn checks(kernel: &Kernel, features: Features, rights: &Rights) -> Vec<Check> {
    let mut checks =
        vec![release(kernel), capabilities(kernel, rights), namespaces(rights), lockdown(rights)];
    checks.extend(of_features(features));
    checks.extend(locked_memory(kernel, rights));
    checks.extend(sysctls(rights));
    checks
}

fn release(kernel: &Kernel) -> Check {
    let name = "kernel";
    if kernel.version.at_least(5, 10) {
        Check::ok(name, &kernel.release)
    } else {
        Check::warn(name, format!("{}: older than what is tested", kernel.release), "5.10 or newer")
    }
}

fn capabilities(kernel: &Kernel, rights: &Rights) -> Check {
    let name = "capabilities";
    let missing = rights.missing(kernel.version);
    let Some(first) = missing.first() else { return Check::ok(name, "all that are needed") };
    let list = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let state = if first.need.essential() { State::Fail } else { State::Warn };
    Check { state, ..Check::warn(name, format!("missing {list}"), "run as root, for example with sudo") }
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
        Lockdown::Integrity => Check::ok(name, "integrity: nothing that we need is denied"),
        Lockdown::Confidentiality => Check::warn(
            name,
            "confidentiality: how a process ended cannot be read",
            "boot with lockdown=integrity, or live with it",
        ),
    }
}

/// What it means if a feature is missing, and what has it.
type Missing = fn(&'static str, &'static str, &'static str) -> Check;

fn of_features(features: Features) -> [Check; 6] {
    let check = |found, name, ok: &str, missing: Missing, without, fix| {
        if found { Check::ok(name, ok) } else { missing(name, without, fix) }
    };
    [
        check(
            features.ring_buffer,
            "ring buffer",
            "events come as they happen",
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
            "a file under several names is counted once",
            Check::warn,
            "the kernel has none: containers that share Node's file are attached one by one",
            "kernel 5.15 or newer",
        ),
        check(
            features.uprobe_multi,
            "uprobe links",
            "windows on the allocator close at once",
            Check::warn,
            "the kernel has none: a window on the allocator slows a busy process down for up to a second",
            "kernel 6.10 or newer, or a later update of 6.6",
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

/// Whether what processes map themselves can be followed. Asks by doing so for a moment, with nobody to be followed.
pub(super) fn mappings(features: Features) -> Check {
    let name = "mappings";
    let started = Direct::start(features, TaskLayout::UNKNOWN, None).map_err(|error| error.to_string());
    let tried = started.and_then(|direct| {
        let attached = direct.attached();
        direct.stop();
        attached
    });
    match tried {
        Ok(true) => Check::ok(name, "what a process maps itself is followed, in the kernel"),
        Ok(false) => Check::ok(
            name,
            "what a process maps itself is followed, in its C library: the kernel lets nobody at its functions",
        ),
        Err(reason) => Check::warn(
            name,
            format!("not followed: {}", printable(reason.lines().next().unwrap_or_default().as_bytes())),
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

/// For information: they bind only those without the capabilities.
fn sysctls(rights: &Rights) -> Option<Check> {
    let value = |name: &str, value: Option<i32>| value.map(|value| format!("{name} {value}"));
    let known = [
        value("perf_event_paranoid", rights.perf_event_paranoid),
        value("unprivileged_bpf_disabled", rights.unprivileged_bpf_disabled),
    ];
    let known: Vec<_> = known.into_iter().flatten().collect();
    (!known.is_empty()).then(|| Check::ok("sysctls", format!("{}: do not bind root", known.join(", "))))
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
            "ok    capabilities  all that are needed",
            "ok    namespaces    pid and user: the host's",
            "ok    lockdown      none",
            "ok    ring buffer   events come as they happen",
            "ok    uprobes       by perf_event_open; tracefs is not needed",
            "ok    cookies       a file under several names is counted once",
            "ok    uprobe links  windows on the allocator close at once",
            "ok    tracepoints   exec, exit and OOM kills are seen; tracefs is not needed",
            "ok    BTF           the kernel describes its own types",
            "ok    sysctls       perf_event_paranoid 2: do not bind root",
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
        let rights = Rights { effective: CapabilitySet::BPF | CapabilitySet::PERFMON, ..ROOT };
        let check = capabilities(&kernel("6.1.0"), &rights);
        assert_eq!(check.state, State::Warn);
        assert!(check.detail.starts_with("missing CAP_SYS_PTRACE (to read processes of other users), "));
        let rootless = Rights { host_user_namespace: false, ..ROOT };
        assert_eq!(namespaces(&rootless).state, State::Fail);
    }
}

//! The kernel: its release, lockdown, limits and settings.

use crate::{
    host::{
        kernel::Kernel,
        rights::{Lockdown, Rights},
    },
    report::check::Check,
};

pub(super) fn release(kernel: &Kernel) -> Check {
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

pub(super) fn lockdown(rights: &Rights) -> Check {
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

/// Maps count as locked memory before 5.11 only; ours are a few MiB.
pub(super) fn locked_memory(kernel: &Kernel, rights: &Rights) -> Option<Check> {
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
pub(super) fn sysctls(rights: &Rights) -> Option<Check> {
    let value = |name: &str, value: Option<i32>| value.map(|value| format!("{name} {value}"));
    let known = [
        value("perf_event_paranoid", rights.perf_event_paranoid),
        value("unprivileged_bpf_disabled", rights.unprivileged_bpf_disabled),
    ];
    let known: Vec<_> = known.into_iter().flatten().collect();
    (!known.is_empty())
        .then(|| Check::ok("sysctls", format!("{} (root is not restricted)", known.join(", "))))
}

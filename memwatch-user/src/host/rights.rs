//! What we are allowed to do: capabilities, namespaces, lockdown, limits.

use std::{fmt, fs};

use rustix::{
    process::{Resource, getrlimit},
    thread::{CapabilitySet, capabilities},
};
use thiserror::Error;

use super::kernel::KernelVersion;

/// Inodes of the first namespaces (`PROC_PID_INIT_INO` and `PROC_USER_INIT_INO`, include/linux/proc_ns.h).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";
const INITIAL_USER_NAMESPACE: &str = "user:[4026531837]";

/// What we are allowed to do, as far as the kernel tells. A plain value: whoever tests what follows from it makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Our effective capabilities; they count only in the first user namespace.
    pub effective: CapabilitySet,
    /// Whether our pids are the host's, which are the ones that the kernel side sees.
    pub host_pid_namespace: bool,
    /// Whether our capabilities count for the host.
    pub host_user_namespace: bool,
    /// What even root may not do.
    pub lockdown: Lockdown,
    /// Bytes that may be locked into memory: before kernel 5.11 maps and programs count; `None` if there is no limit.
    pub memlock_bytes: Option<u64>,
    /// `kernel.perf_event_paranoid`; does not bind who has `CAP_PERFMON`.
    pub perf_event_paranoid: Option<i32>,
    /// `kernel.unprivileged_bpf_disabled`; does not bind who has `CAP_BPF`.
    pub unprivileged_bpf_disabled: Option<i32>,
}

/// What the kernel denies even to root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    /// Nothing, or the kernel does not say: securityfs is not mounted.
    None,
    /// Changing the kernel. Nothing that we do.
    Integrity,
    /// Reading the kernel's memory too: eBPF programs that do are refused.
    Confidentiality,
}

/// Something that needs capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Making maps and loading programs.
    LoadPrograms,
    /// Placing uprobes, and reading memory in programs.
    PlaceProbes,
    /// Reading `/proc` of processes of other users.
    ReadProcesses,
    /// Opening files that a process has mapped and that are gone from disk.
    OpenMappedFiles,
}

impl Need {
    /// All of them, the essential ones first.
    pub const ALL: [Self; 4] =
        [Self::LoadPrograms, Self::PlaceProbes, Self::ReadProcesses, Self::OpenMappedFiles];

    /// Whether nothing can be watched without it; the others narrow what can be.
    #[must_use]
    pub const fn essential(self) -> bool {
        matches!(self, Self::LoadPrograms | Self::PlaceProbes)
    }

    /// What it is for, to follow the word "to".
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::LoadPrograms => "load eBPF programs",
            Self::PlaceProbes => "place probes",
            Self::ReadProcesses => "read processes of other users",
            Self::OpenMappedFiles => "open libraries that were replaced on disk",
        }
    }

    /// The capabilities any one of which is enough on `kernel`, the narrowest first. `CAP_BPF` and `CAP_PERFMON` came
    /// with 5.8, `CAP_CHECKPOINT_RESTORE` with 5.9; until then each was part of `CAP_SYS_ADMIN`, which still contains
    /// them.
    #[must_use]
    pub fn any_of(self, kernel: KernelVersion) -> &'static [Capability] {
        const ADMIN: Capability = ("CAP_SYS_ADMIN", CapabilitySet::SYS_ADMIN);
        match self {
            Self::LoadPrograms if kernel.at_least(5, 8) => &[("CAP_BPF", CapabilitySet::BPF), ADMIN],
            Self::PlaceProbes if kernel.at_least(5, 8) => &[("CAP_PERFMON", CapabilitySet::PERFMON), ADMIN],
            Self::ReadProcesses => &[("CAP_SYS_PTRACE", CapabilitySet::SYS_PTRACE)],
            Self::OpenMappedFiles if kernel.at_least(5, 9) => {
                &[("CAP_CHECKPOINT_RESTORE", CapabilitySet::CHECKPOINT_RESTORE), ADMIN]
            }
            _ => &[ADMIN],
        }
    }
}

/// A capability by name.
pub type Capability = (&'static str, CapabilitySet);

/// A capability that we lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What it is needed for.
    pub need: Need,
    /// The narrowest capability that would do.
    pub capability: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (to {})", self.capability, self.need.purpose())
    }
}

/// Why nothing can be watched.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RightsError {
    /// Capabilities are missing.
    #[error("missing {}: run as root, for example with sudo", list(.0))]
    Capabilities(Vec<Missing>),
    /// Our capabilities are worth nothing outside our user namespace.
    #[error("root of a user namespace is not root of the host: run outside the rootless container")]
    UserNamespace,
    /// The kernel side knows processes by the host's pids, which we cannot see.
    #[error("not in the host's pid namespace: run on the host, or in a container started with --pid=host")]
    PidNamespace,
}

fn list(missing: &[Missing]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

impl Rights {
    /// Asks the kernel. What it does not say is taken for granted: the attempt will tell.
    #[must_use]
    pub fn ours() -> Self {
        Self {
            effective: capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective),
            host_pid_namespace: is_namespace("pid", INITIAL_PID_NAMESPACE),
            host_user_namespace: is_namespace("user", INITIAL_USER_NAMESPACE),
            lockdown: fs::read_to_string("/sys/kernel/security/lockdown")
                .map_or(Lockdown::None, |text| Lockdown::parse(&text)),
            memlock_bytes: getrlimit(Resource::Memlock).current,
            perf_event_paranoid: sysctl("perf_event_paranoid"),
            unprivileged_bpf_disabled: sysctl("unprivileged_bpf_disabled"),
        }
    }

    /// The capabilities that we lack on `kernel`, the essential ones first.
    #[must_use]
    pub fn missing(&self, kernel: KernelVersion) -> Vec<Missing> {
        let lacks = |need: &Need| !need.any_of(kernel).iter().any(|(_, set)| self.effective.contains(*set));
        let name = |need: Need| need.any_of(kernel).first().map_or("CAP_SYS_ADMIN", |(name, _)| name);
        Need::ALL.into_iter().filter(lacks).map(|need| Missing { need, capability: name(need) }).collect()
    }

    /// Whether we may raise our own limits, as that on locked memory.
    #[must_use]
    pub fn can_raise_limits(&self) -> bool {
        self.effective.contains(CapabilitySet::SYS_RESOURCE)
    }

    /// Whether anything can be watched at all.
    pub fn check(&self, kernel: KernelVersion) -> Result<(), RightsError> {
        let missing: Vec<_> =
            self.missing(kernel).into_iter().filter(|missing| missing.need.essential()).collect();
        if !missing.is_empty() {
            return Err(RightsError::Capabilities(missing));
        }
        if !self.host_user_namespace {
            return Err(RightsError::UserNamespace);
        }
        if self.host_pid_namespace { Ok(()) } else { Err(RightsError::PidNamespace) }
    }
}

impl Lockdown {
    /// The file lists all levels and marks the one in force: `none [integrity] confidentiality`.
    fn parse(text: &str) -> Self {
        match text.split_once('[').and_then(|(_, rest)| rest.split_once(']')) {
            Some(("integrity", _)) => Self::Integrity,
            Some(("confidentiality", _)) => Self::Confidentiality,
            _ => Self::None,
        }
    }
}

fn is_namespace(kind: &str, initial: &str) -> bool {
    fs::read_link(format!("/proc/self/ns/{kind}")).map_or(true, |link| link.as_os_str() == initial)
}

fn sysctl(name: &str) -> Option<i32> {
    fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: KernelVersion = KernelVersion::new(5, 4);
    const NEW: KernelVersion = KernelVersion::new(6, 1);

    fn rights(effective: CapabilitySet) -> Rights {
        Rights {
            effective,
            host_pid_namespace: true,
            host_user_namespace: true,
            lockdown: Lockdown::None,
            memlock_bytes: None,
            perf_event_paranoid: None,
            unprivileged_bpf_disabled: None,
        }
    }

    fn names(rights: &Rights, kernel: KernelVersion) -> Vec<&'static str> {
        rights.missing(kernel).into_iter().map(|missing| missing.capability).collect()
    }

    #[test]
    fn which_capability_is_missing() {
        let (bpf, perfmon) = (CapabilitySet::BPF, CapabilitySet::PERFMON);
        let admin = CapabilitySet::SYS_ADMIN;
        let all = ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", "CAP_CHECKPOINT_RESTORE"];
        let cases: [(CapabilitySet, KernelVersion, &[&str]); 6] = [
            (CapabilitySet::empty(), NEW, &all),
            (bpf, NEW, &all[1..]),
            (bpf | perfmon, NEW, &all[2..]),
            (admin, NEW, &["CAP_SYS_PTRACE"]),
            (bpf | perfmon, OLD, &["CAP_SYS_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_ADMIN"]),
            (admin | CapabilitySet::SYS_PTRACE, OLD, &[]),
        ];
        for (effective, kernel, missing) in cases {
            assert_eq!(names(&rights(effective), kernel), missing, "{effective:?} on {kernel}");
        }
    }

    #[test]
    fn the_error_names_what_is_missing_and_for_what() {
        let error = rights(CapabilitySet::empty()).check(NEW).unwrap_err();
        assert_eq!(
            error.to_string(),
            "missing CAP_BPF (to load eBPF programs) and CAP_PERFMON (to place probes): \
             run as root, for example with sudo"
        );
        assert_eq!(rights(CapabilitySet::SYS_ADMIN).check(NEW), Ok(()));
    }

    #[test]
    fn namespaces_count_once_the_capabilities_are_there() {
        let root = rights(CapabilitySet::all());
        let contained = Rights { host_pid_namespace: false, ..root };
        let rootless = Rights { host_user_namespace: false, ..contained };
        assert_eq!(contained.check(NEW), Err(RightsError::PidNamespace));
        assert_eq!(rootless.check(NEW), Err(RightsError::UserNamespace));
    }

    #[test]
    fn lockdown_levels() {
        let cases = [
            ("[none] integrity confidentiality\n", Lockdown::None),
            ("none [integrity] confidentiality\n", Lockdown::Integrity),
            ("none integrity [confidentiality]\n", Lockdown::Confidentiality),
            ("", Lockdown::None),
        ];
        for (text, level) in cases {
            assert_eq!(Lockdown::parse(text), level, "{text:?}");
        }
    }
}

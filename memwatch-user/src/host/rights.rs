//! What we are allowed to do: capabilities, namespaces, lockdown, limits.

use std::{fmt, fs, io};

use rustix::{
    process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit},
    thread::{CapabilitySet, capabilities},
};
use thiserror::Error;

use super::kernel::KernelVersion;

/// Inodes of the first namespaces (`PROC_PID_INIT_INO` and `PROC_USER_INIT_INO`, include/linux/proc_ns.h).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";
const INITIAL_USER_NAMESPACE: &str = "user:[4026531837]";

/// What we are allowed to do, as far as the kernel tells. A plain value: whoever tests what follows from it makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    /// Our effective capabilities; they count only in the first user namespace.
    pub effective: CapabilitySet,
    /// What the kernel refused when it was tried, in the order of [`Need::ALL`].
    pub refused: [bool; Need::ALL.len()],
    /// Whether our own files in /proc are ours. Those of a binary with file capabilities are root's.
    pub dumpable: bool,
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
pub(crate) enum Lockdown {
    /// Nothing, or the kernel does not say: securityfs is not mounted.
    None,
    /// Changing the kernel. Nothing that we do.
    Integrity,
    /// Reading the kernel's memory too: eBPF programs that do are refused.
    Confidentiality,
}

/// Something that needs capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Making maps and loading programs.
    LoadPrograms,
    /// Placing uprobes, and reading memory in programs.
    PlaceProbes,
    /// Reading `/proc` of processes of other users.
    ReadProcesses,
    /// Reading their memory, and files that only they may read.
    ReadMemory,
    /// Opening files that a process has mapped and that are gone from disk.
    OpenMappedFiles,
}

impl Need {
    /// All of them, the essential ones first.
    pub(crate) const ALL: [Self; 5] =
        [Self::LoadPrograms, Self::PlaceProbes, Self::ReadProcesses, Self::ReadMemory, Self::OpenMappedFiles];

    /// Whether nothing can be watched without it; the others narrow what can be.
    #[must_use]
    pub(crate) const fn essential(self) -> bool {
        matches!(self, Self::LoadPrograms | Self::PlaceProbes)
    }

    /// What it is for, to follow the word "to".
    #[must_use]
    pub(crate) const fn purpose(self) -> &'static str {
        match self {
            Self::LoadPrograms => "load eBPF programs",
            Self::PlaceProbes => "place probes",
            Self::ReadProcesses => "examine processes of other users",
            Self::ReadMemory => "read the memory of processes of other users",
            Self::OpenMappedFiles => "open libraries that were replaced on disk",
        }
    }

    /// What is lost without it.
    #[must_use]
    pub(crate) const fn loss(self) -> &'static str {
        match self {
            Self::LoadPrograms => "eBPF programs cannot be loaded, so nothing can be watched",
            Self::PlaceProbes => "probes cannot be placed, so nothing can be watched",
            Self::ReadProcesses => "processes of other users cannot be watched",
            Self::ReadMemory => {
                "of processes of other users, the heap limit, array buffers, native memory and JavaScript functions are off"
            }
            Self::OpenMappedFiles => {
                "processes whose libnode.so or C library was replaced on disk cannot be watched in full"
            }
        }
    }

    /// The capabilities that may be asked for, the narrowest first: `CAP_BPF` and `CAP_PERFMON` came with Linux 5.8,
    /// `CAP_CHECKPOINT_RESTORE` with 5.9; until then each was part of `CAP_SYS_ADMIN`, which still contains them. Uprobes take
    /// nothing less since 6.16.
    #[must_use]
    pub(crate) fn candidates(self, kernel: KernelVersion) -> &'static [Capability] {
        const ADMIN: Capability = ("CAP_SYS_ADMIN", CapabilitySet::SYS_ADMIN);
        const PERFMON: Capability = ("CAP_PERFMON", CapabilitySet::PERFMON);
        match self {
            Self::LoadPrograms if kernel.at_least(5, 8) => &[("CAP_BPF", CapabilitySet::BPF), PERFMON, ADMIN],
            Self::PlaceProbes if kernel.at_least(5, 8) && !kernel.at_least(6, 16) => &[PERFMON, ADMIN],
            Self::ReadProcesses => &[("CAP_SYS_PTRACE", CapabilitySet::SYS_PTRACE)],
            Self::ReadMemory => &[
                ("CAP_SYS_PTRACE", CapabilitySet::SYS_PTRACE),
                ("CAP_DAC_READ_SEARCH", CapabilitySet::DAC_READ_SEARCH),
            ],
            Self::OpenMappedFiles if kernel.at_least(5, 9) => {
                &[("CAP_CHECKPOINT_RESTORE", CapabilitySet::CHECKPOINT_RESTORE), ADMIN]
            }
            _ => &[ADMIN],
        }
    }
}

/// A capability by name.
pub(crate) type Capability = (&'static str, CapabilitySet);

/// What is named where we have every capability that there is for it, and are refused.
const REFUSED_ALL_THE_SAME: &str =
    "the permission of a security module, or of the runtime of this container,";

/// A capability that we lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// What it is needed for.
    pub need: Need,
    /// The narrowest capability that may do: one that we have was not enough.
    pub capability: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (to {})", self.capability, self.need.purpose())
    }
}

/// Why nothing can be watched.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum RightsError {
    /// Capabilities are missing.
    #[error("missing {}: run as root, for example with sudo, or add the capability", list(.0))]
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
    /// Asks the kernel; `attempt` does what is needed. What the kernel does not say is taken for granted.
    #[must_use]
    pub(crate) fn found(attempt: impl Fn(Need) -> io::Result<()>) -> Self {
        // Whatever else stands in the way is no matter of rights.
        let is_refused =
            |need| attempt(need).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
        Self {
            effective: capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective),
            refused: Need::ALL.map(is_refused),
            dumpable: dumpable_behavior().map_or(true, |behavior| behavior == DumpableBehavior::Dumpable),
            host_pid_namespace: is_namespace("pid", INITIAL_PID_NAMESPACE),
            host_user_namespace: is_namespace("user", INITIAL_USER_NAMESPACE),
            lockdown: fs::read_to_string("/sys/kernel/security/lockdown")
                .map_or(Lockdown::None, |text| Lockdown::parse(&text)),
            memlock_bytes: getrlimit(Resource::Memlock).current,
            perf_event_paranoid: sysctl("perf_event_paranoid"),
            unprivileged_bpf_disabled: sysctl("unprivileged_bpf_disabled"),
        }
    }

    /// What we are refused on `kernel`, with the capability that it takes, the essential ones first.
    #[must_use]
    pub(crate) fn missing(&self, kernel: KernelVersion) -> Vec<Missing> {
        let refused = Need::ALL.into_iter().filter(|need| self.is_refused(*need));
        refused.map(|need| Missing { need, capability: self.capability(need, kernel) }).collect()
    }

    /// Whether the kernel refused it.
    #[must_use]
    pub(crate) fn is_refused(&self, need: Need) -> bool {
        Need::ALL.iter().position(|one| *one == need).is_some_and(|at| self.refused[at])
    }

    fn capability(&self, need: Need, kernel: KernelVersion) -> &'static str {
        let lacked = need.candidates(kernel).iter().find(|(_, set)| !self.effective.contains(*set));
        lacked.map_or(REFUSED_ALL_THE_SAME, |(name, _)| name)
    }

    /// Whether we may raise our own limits, as that on locked memory.
    #[must_use]
    pub(crate) fn can_raise_limits(&self) -> bool {
        self.effective.contains(CapabilitySet::SYS_RESOURCE)
    }

    /// Whether anything can be watched at all.
    pub(crate) fn check(&self, kernel: KernelVersion) -> Result<(), RightsError> {
        // What root of a user namespace is refused is no capability that it lacks.
        if !self.host_user_namespace {
            return Err(RightsError::UserNamespace);
        }
        let missing: Vec<_> =
            self.missing(kernel).into_iter().filter(|missing| missing.need.essential()).collect();
        if !missing.is_empty() {
            return Err(RightsError::Capabilities(missing));
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

    fn rights(effective: CapabilitySet, refused: &[Need]) -> Rights {
        Rights {
            effective,
            refused: Need::ALL.map(|need| refused.contains(&need)),
            dumpable: true,
            host_pid_namespace: true,
            host_user_namespace: true,
            lockdown: Lockdown::None,
            memlock_bytes: None,
            perf_event_paranoid: None,
            unprivileged_bpf_disabled: None,
        }
    }

    #[test]
    fn the_capability_named_is_one_that_we_lack() {
        let (bpf, perfmon) = (CapabilitySet::BPF, CapabilitySet::PERFMON);
        let (admin, ptrace) = (CapabilitySet::SYS_ADMIN, CapabilitySet::SYS_PTRACE);
        let newest = KernelVersion::new(6, 18);
        let none = CapabilitySet::empty();
        for (need, effective, kernel, expected) in [
            (Need::LoadPrograms, none, NEW, "CAP_BPF"),
            (Need::LoadPrograms, bpf, NEW, "CAP_PERFMON"),
            (Need::LoadPrograms, none, OLD, "CAP_SYS_ADMIN"),
            (Need::PlaceProbes, none, NEW, "CAP_PERFMON"),
            (Need::PlaceProbes, bpf | perfmon, NEW, "CAP_SYS_ADMIN"),
            (Need::PlaceProbes, bpf, newest, "CAP_SYS_ADMIN"),
            (Need::ReadProcesses, admin, NEW, "CAP_SYS_PTRACE"),
            (Need::ReadMemory, admin | ptrace, NEW, "CAP_DAC_READ_SEARCH"),
            (Need::OpenMappedFiles, none, NEW, "CAP_CHECKPOINT_RESTORE"),
            (Need::OpenMappedFiles, none, OLD, "CAP_SYS_ADMIN"),
            (Need::PlaceProbes, CapabilitySet::all(), NEW, REFUSED_ALL_THE_SAME),
        ] {
            let missing = rights(effective, &[need]).missing(kernel);
            assert_eq!(missing, [Missing { need, capability: expected }], "{effective:?} on {kernel}");
        }
        assert_eq!(rights(none, &[]).missing(NEW), []);
    }

    #[test]
    fn only_a_refusal_is_a_matter_of_rights() {
        let refuse = |kind: io::ErrorKind| Rights::found(move |_| Err(kind.into())).refused;
        assert_eq!(refuse(io::ErrorKind::PermissionDenied), [true; 5]);
        assert_eq!(refuse(io::ErrorKind::NotFound), [false; 5]);
    }

    #[test]
    fn the_error_names_what_is_missing_and_for_what() {
        let refused = [Need::LoadPrograms, Need::PlaceProbes, Need::ReadMemory];
        let error = rights(CapabilitySet::empty(), &refused).check(NEW).unwrap_err();
        assert_eq!(
            error.to_string(),
            "missing CAP_BPF (to load eBPF programs) and CAP_PERFMON (to place probes): \
             run as root, for example with sudo, or add the capability"
        );
        assert_eq!(rights(CapabilitySet::empty(), &[Need::ReadMemory]).check(NEW), Ok(()));
    }

    #[test]
    fn namespaces_count_too() {
        let root = rights(CapabilitySet::all(), &[]);
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

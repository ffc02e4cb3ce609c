//! What is found on hosts of several kinds.

use rustix::thread::CapabilitySet;

use super::{
    rights::{capabilities, namespaces, not_dumpable},
    *,
};
use crate::{
    bpf::{multi, trial},
    host::{features::FeatureName, kernel::KernelVersion, rights::Lockdown},
    report::check::{State, render},
};

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
    assert_eq!(render(&known(&kernel("6.1.0-56-amd64"), ALL, &ROOT), false), expected);
}

#[test]
fn a_host_on_which_nothing_is() {
    let none = ALL.without(&[
        FeatureName::RingBuffer,
        FeatureName::AttachCookie,
        FeatureName::UprobeMulti,
        FeatureName::UprobePmu,
        FeatureName::RawTracepoints,
        FeatureName::Btf,
    ]);
    let rights = Rights {
        effective: CapabilitySet::empty(),
        refused: [true, true, false, false, false],
        host_pid_namespace: false,
        lockdown: Lockdown::Confidentiality,
        memlock_bytes: Some(64 << 10),
        ..ROOT
    };
    let found = known(&kernel("5.4.0"), none, &rights);
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
    let found = host(&kernel("6.18.0"), features, &rights);
    let fixes: Vec<_> = found.iter().filter_map(|check| check.fix.as_deref()).collect();
    assert!(fixes.len() == 6 && fixes.iter().all(|fix| fix.starts_with(AS_ROOT)), "{found:#?}");
}

#[test]
fn file_capabilities_have_their_price() {
    let check = not_dumpable(&Rights { dumpable: false, ..ROOT }).unwrap();
    assert!(check.state == State::Warn && check.detail.contains("CAP_DAC_READ_SEARCH"), "{check:?}");
    assert_eq!(not_dumpable(&ROOT), None);
}

#[test]
fn a_host_without_ring_buffers_fails() {
    let kernel = Kernel::running();
    let features = Features::probe(kernel.version, multi::is_supported()).without(&[FeatureName::RingBuffer]);
    let checks = known(&kernel, features, &trial::rights());
    let ring = checks.iter().find(|check| check.name == "ring buffer").unwrap();
    assert_eq!(ring.state, State::Fail);
}

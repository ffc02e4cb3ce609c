//! What the kernel can do for us, as a table.

use super::AS_ROOT;
use crate::{
    host::{
        features::Features,
        rights::{Need, Rights},
    },
    report::check::Check,
};

/// A feature, what it gives, and what is lost without it.
struct Feature {
    name: &'static str,
    is_found: fn(Features) -> bool,
    /// What it gives.
    gives: &'static str,
    /// What is lost without it.
    without: &'static str,
    /// What has it.
    fix: &'static str,
    /// How bad it is to have none.
    missing: Missing,
    /// Whether only a process that may load programs can ask for it.
    needs_rights: bool,
}

type Missing = fn(&'static str, &'static str, &'static str) -> Check;

const ALL: [Feature; 6] = [
    Feature {
        name: "ring buffer",
        is_found: |features| features.ring_buffer,
        gives: "events are received as they happen",
        without: "the kernel has none: events cannot be received",
        fix: "kernel 5.8 or newer",
        missing: Check::fail,
        needs_rights: false,
    },
    Feature {
        name: "uprobes",
        is_found: |features| features.uprobe_pmu,
        gives: "by perf_event_open; tracefs is not needed",
        without: "the kernel has no uprobe PMU: functions cannot be probed",
        fix: "a kernel with CONFIG_UPROBE_EVENTS=y",
        missing: Check::fail,
        needs_rights: false,
    },
    Feature {
        name: "cookies",
        is_found: |features| features.attach_cookie,
        gives: "one set of probes serves all processes of a binary",
        without: "the kernel has none: each process gets its own probes",
        fix: "kernel 5.15 or newer",
        missing: Check::warn,
        needs_rights: false,
    },
    Feature {
        name: "uprobe links",
        is_found: |features| features.uprobe_multi,
        gives: "probes on the allocator are removed at once",
        without: "the kernel has none: removing probes from the allocator slows a busy process down for up to a second",
        fix: "kernel 6.10 or newer, or a later update of 6.6",
        missing: Check::warn,
        needs_rights: true,
    },
    Feature {
        name: "tracepoints",
        is_found: |features| features.raw_tracepoints,
        gives: "exec, exit and OOM kills are seen; tracefs is not needed",
        without: "the kernel has no raw ones: exec, exit and OOM kills are not seen as they happen",
        fix: "kernel 4.17 or newer with CONFIG_BPF_EVENTS=y",
        missing: Check::warn,
        needs_rights: false,
    },
    Feature {
        name: "BTF",
        is_found: |features| features.btf,
        gives: "the kernel describes its own types",
        without: "the kernel has none: exit codes and signals are not known",
        fix: "a kernel with CONFIG_DEBUG_INFO_BTF=y",
        missing: Check::warn,
        needs_rights: false,
    },
];

/// A finding about each feature.
pub(super) fn checks(features: Features, rights: &Rights) -> impl Iterator<Item = Check> {
    let may_ask = !rights.is_refused(Need::LoadPrograms);
    ALL.iter().map(move |feature| check(feature, features, may_ask))
}

fn check(feature: &Feature, features: Features, may_ask: bool) -> Check {
    let Feature { name, gives, without, fix, missing, .. } = feature;
    if (feature.is_found)(features) {
        Check::ok(*name, *gives)
    } else if feature.needs_rights && !may_ask {
        missing(name, "unknown: only a process that may load eBPF programs can ask the kernel", AS_ROOT)
    } else {
        missing(name, without, fix)
    }
}

//! Whether memory that processes map past malloc can be followed.

use memwatch_common::target::TaskLayout;

use super::AS_ROOT;
use crate::{
    host::{
        features::Features,
        rights::{Need, Rights},
    },
    native::direct::Direct,
    report::check::Check,
    target::text::printable,
};

/// Whether memory that processes map past malloc can be followed. Tries it for a moment, for no process.
pub(super) fn check(features: Features, rights: &Rights) -> Check {
    let name = "mappings";
    if rights.is_refused(Need::LoadPrograms) || rights.is_refused(Need::PlaceProbes) {
        return Check::warn(name, "not tried: this needs eBPF programs and probes", AS_ROOT);
    }
    let started = Direct::start(features, TaskLayout::UNKNOWN, None).map_err(|error| error.to_string());
    let tried = started.and_then(|direct| {
        let attached = direct.attached();
        direct.stop();
        attached.map_err(|refused| refused.to_string())
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

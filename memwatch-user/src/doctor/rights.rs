//! Our own rights: capabilities and namespaces.

use std::collections::BTreeSet;

use super::AS_ROOT;
use crate::{
    host::{
        kernel::Kernel,
        rights::{Missing, Rights, RightsError},
    },
    report::check::{Check, State},
};

/// Name of the findings about capabilities.
const CAPABILITIES: &str = "capabilities";

/// One finding for each capability that is missing, with what is lost without it.
pub(super) fn capabilities(kernel: &Kernel, rights: &Rights) -> Vec<Check> {
    let missing = rights.missing(kernel.version);
    if missing.is_empty() {
        return vec![Check::ok(CAPABILITIES, "all that are needed; each was tried")];
    }
    let mut named = BTreeSet::new();
    missing.iter().filter(|missing| named.insert(missing.capability)).map(lacking).collect()
}

fn lacking(missing: &Missing) -> Check {
    let Missing { need, capability } = missing;
    let state = if need.essential() { State::Fail } else { State::Warn };
    let detail = format!("{capability} is missing: {}", need.loss());
    Check { state, ..Check::warn(CAPABILITIES, detail, format!("{AS_ROOT}; or grant {capability}")) }
}

/// A binary with file capabilities (setcap) is not dumpable, so that its own files in /proc belong to root.
pub(super) fn not_dumpable(rights: &Rights) -> Option<Check> {
    (!rights.dumpable).then(|| {
        Check::warn(
            "dumpable",
            "this binary has file capabilities, so this process is not dumpable: its own files in /proc belong to root \
             (it takes CAP_DAC_READ_SEARCH to read them), it leaves no core dump, and LD_PRELOAD is ignored",
            "grant the capabilities to the process instead (systemd AmbientCapabilities=, setpriv --ambient-caps)",
        )
    })
}

pub(super) fn namespaces(rights: &Rights) -> Check {
    let name = "namespaces";
    if !rights.host_user_namespace {
        return Check::fail(name, "root of a user namespace only", RightsError::UserNamespace.to_string());
    }
    if !rights.host_pid_namespace {
        return Check::fail(name, "pids are not the host's", RightsError::PidNamespace.to_string());
    }
    Check::ok(name, "pid and user: the host's")
}

//! Examines what a host and a process allow: each file checks one part and says what it found ([`Check`]), with what to do
//! about it.

mod features;
mod function;
mod host;
mod malloc;
mod mappings;
mod probes;
mod process;
mod rights;
#[cfg(test)]
mod tests;

pub(crate) use self::process::checks as process;
use crate::{
    host::{features::Features, kernel::Kernel, rights::Rights},
    report::check::Check,
};

/// What to do where rights are missing.
const AS_ROOT: &str = "run as root, for example with sudo";

/// What to do where the binary is not what was expected.
const NOT_OFFICIAL_FIX: &str = "run an official build of Node.js";

/// Findings about the host and our own rights. Tries for a moment whether mappings can be followed, for no process.
#[must_use]
pub(crate) fn host(kernel: &Kernel, features: Features, rights: &Rights) -> Vec<Check> {
    let mut checks = known(kernel, features, rights);
    checks.push(mappings::check(features, rights));
    checks
}

/// What follows from what is known of the host, without a trial.
fn known(kernel: &Kernel, features: Features, rights: &Rights) -> Vec<Check> {
    let mut checks = vec![host::release(kernel)];
    checks.extend(rights::capabilities(kernel, rights));
    checks.extend([rights::namespaces(rights), host::lockdown(rights)]);
    checks.extend(rights::not_dumpable(rights));
    checks.extend(features::checks(features, rights));
    checks.extend(host::locked_memory(kernel, rights));
    checks.extend(host::sysctls(rights));
    checks
}

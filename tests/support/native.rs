//! Native programs and libraries of `fixtures/native`, built when they are needed.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{scratch, workspace};

/// Builds `sources` into one program, or with `-shared` among `flags` into one library.
pub fn build(sources: &[&str], flags: &[&str]) -> Result<PathBuf> {
    let path = scratch::directory("native")?.join("built");
    let files = sources.iter().map(|name| workspace().join(format!("tests/fixtures/native/{name}.c")));
    let mut compiler = Command::new("gcc");
    compiler.args(["-O1", "-w", "-pthread"]).args(flags).args(files).arg("-o").arg(&path);
    let status = compiler.status().context("no gcc: run `cargo xtask setup`")?;
    ensure!(status.success(), "{compiler:?} failed");
    Ok(path)
}

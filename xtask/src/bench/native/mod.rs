//! Native memory: what following it costs the target, and what it takes of memory. [`pair`] is a single block, [`load`]
//! whole programs, [`windows`] the moments in which they pay, [`memory`] ourselves.

mod load;
mod memory;
mod pair;
mod windows;

use std::path::PathBuf;

use anyhow::Result;

use super::page::Section;
use super::{Bench, fresh_directory};
use crate::repo;
use crate::run::cmd;

/// The addon that the tests use too: leaks, churns.
const ADDON: &str = "tests/fixtures/native/addon.c";

/// The section.
pub(super) fn section(bench: &Bench) -> Result<Section> {
    let mut section = Section::new("native", "Native memory");
    section = pair::added(section, bench)?;
    section = load::added(section, bench)?;
    memory::added(section, bench)
}

/// Compiles an addon of one file, named from the root of the repository.
fn addon(source: &str) -> Result<PathBuf> {
    addon_with(source, &[])
}

fn addon_with(source: &str, flags: &[&str]) -> Result<PathBuf> {
    let path = fresh_directory("addon")?.join("addon.node");
    let compile = cmd("gcc").args(["-O1", "-w", "-g", "-shared", "-fPIC"]).args(flags);
    compile.arg(repo::root().join(source)).arg("-o").arg(&path).run()?;
    Ok(path)
}

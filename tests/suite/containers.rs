//! Targets in namespaces of their own, containers that share a file through overlays, and a binary that was replaced on
//! disk while it ran.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    container::{NODE, Root},
    machine,
    node::{self, Node, Start},
    proc, releases, scratch,
    tool::{self, Tool},
};

use crate::compare::{before_attach, same, wait_for_collections};

#[test]
fn its_own_mounts_and_pids() -> Result<()> {
    let _machine = machine::shared();
    let root = Root::copied(&releases::node(releases::USUAL)?)?;
    exact(&mut [traced(&root)?])
}

/// Both containers' files are one file to the kernel: a probe for each would count everything twice.
#[test]
fn two_overlays_on_one_file() -> Result<()> {
    let _machine = machine::shared();
    let base = Root::copied(&releases::node(releases::USUAL)?)?;
    let overlays = [base.overlay()?, base.overlay()?];
    exact(&mut [traced(&overlays[0])?, traced(&overlays[1])?])
}

#[test]
fn a_binary_that_was_replaced() -> Result<()> {
    let _machine = machine::shared();
    let path = scratch::directory("replaced")?.join("node");
    let original = releases::node(releases::USUAL)?;
    fs::copy(&original, &path)?;
    let node = Start::new(path.clone(), node::fixture("mixed_load")).traced().ready()?;
    let replacement = path.with_extension("new");
    fs::copy(&original, &replacement)?;
    fs::rename(&replacement, &path)?;
    let program = proc::program(node.pid()).context("it is gone")?;
    ensure!(program.to_string_lossy().ends_with("(deleted)"), "{}", program.display());
    let pid = node.pid();
    exact(&mut [Inside { node, pid }])
}

/// A Node process behind the one that was started.
pub(crate) struct Inside {
    node: Node,
    pub(crate) pid: u32,
}

/// The fixture `mixed_load` in `root`, with V8's own trace.
pub(crate) fn traced(root: &Root) -> Result<Inside> {
    let node = root.node("mixed_load").flag("--trace-gc-nvp").ready()?;
    let pid = node_inside(&node)?;
    Ok(Inside { node, pid })
}

/// The pid of Node behind the commands that have entered the container.
pub(crate) fn node_inside(node: &Node) -> Result<u32> {
    let inside = |pid: &u32| {
        proc::program(*pid)
            .is_some_and(|program| program.ends_with(Path::new(NODE).file_name().unwrap_or_default()))
    };
    proc::descendants(node.pid())?.into_iter().find(inside).context("no Node in the container")
}

/// All at once: each one's collections are V8's own, each once.
pub(crate) fn exact(targets: &mut [Inside]) -> Result<()> {
    let pids = targets.iter().map(|target| target.pid).collect::<Vec<_>>();
    let mut tool = Tool::watch(&pids)?;
    for &pid in &pids {
        wait_for_collections(&mut tool, pid, 1, 15)?;
    }
    for target in &mut *targets {
        target.node.stop()?;
    }
    let records = tool.finish()?.records()?;
    for target in targets {
        let theirs = target.node.collections()?;
        let before = before_attach(&records, target.pid, &theirs)?;
        same(&tool::collections(&records, target.pid), &theirs, before)?;
    }
    Ok(())
}

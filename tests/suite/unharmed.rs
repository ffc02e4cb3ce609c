//! Whatever happens to the tool, the target goes on and nothing stays in the kernel.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};
use memwatch_tests::{
    full, kernel, machine, node,
    node::Node,
    releases,
    tool::{self, Tool},
};
use rustix::process::Signal;

/// Cycles of attaching and detaching.
fn cycles() -> usize {
    if full() { 100 } else { 10 }
}

#[test]
fn kill_9_under_load_leaves_nothing() -> Result<()> {
    let _machine = machine::shared();
    let mut node = storm(releases::USUAL)?;
    let mut tool = Tool::watch(&[node.pid()])?;
    tool.wait_all("collection", 20, |record| tool::gc(record).is_some())?;
    let held = kernel::held_by(tool.pid())?;
    ensure!(!held.programs.is_empty() && !held.maps.is_empty() && held.alive()? == held, "{held:?}");
    tool.signal(Signal::KILL)?;
    tool.finish()?;
    held.wait_until_gone()?;
    node.healthy()?;
    ensure!(node.stop()?.success());
    Ok(())
}

#[test]
fn attached_and_detached_again_and_again() -> Result<()> {
    let _machine = machine::shared();
    for version in releases::chosen() {
        let mut node = storm(version)?;
        for _ in 0..cycles() {
            let mut tool = Tool::watch(&[node.pid()])?;
            tool.wait_all("collection", 2, |record| tool::gc(record).is_some())?;
            let finished = tool.interrupt()?;
            finished.done()?;
        }
        node.healthy()?;
        ensure!(node.stop()?.success(), "Node {version}");
    }
    Ok(())
}

/// From before it knows what it watches until long after the last probe is live.
#[test]
fn interrupted_during_attach() -> Result<()> {
    let _machine = machine::shared();
    let mut node = storm(releases::USUAL)?;
    for signal in [Signal::INT, Signal::TERM] {
        for delay_ms in (5..125).step_by(10) {
            let tool = Tool::start(&["--pid", &node.pid().to_string(), "--json"])?;
            thread::sleep(Duration::from_millis(delay_ms));
            tool.signal(signal)?;
            let finished = tool.finish()?;
            ensure!(finished.records().is_ok(), "{}", finished.stdout);
        }
    }
    node.healthy()?;
    ensure!(node.stop()?.success());
    Ok(())
}

/// `gc()` ends in a jump to `CollectGarbage`, whose return address is then generated code's: a return probe there killed
/// Node 20 within these 12 000 calls.
#[test]
fn collections_that_optimised_code_asks_for() -> Result<()> {
    let _machine = machine::shared();
    for version in releases::chosen() {
        let mut node = node::start(version, "gc_true")?.flag("--expose-gc").ready()?;
        let mut tool = Tool::watch(&[node.pid()])?;
        node.tell("go")?;
        tool.wait_all("collection", 1000, |record| tool::gc(record).is_some())?;
        let status = node.ended()?;
        ensure!(status.success(), "Node {version}: {status}");
        tool.finish()?.done()?;
    }
    Ok(())
}

/// Node `version`, collecting back to back.
fn storm(version: &str) -> Result<Node> {
    node::start(version, "gc_storm")?.flag("--expose-gc").ready()
}

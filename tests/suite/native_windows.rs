//! Whatever happens within a window, its probes go and the target goes on.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{machine, node::Node, patience, proc, releases, tool::Tool};
use memwatch_user::{
    native::Mode,
    plan::malloc::{self, MallocPlan},
    report::record::{Body, End},
    target::maps::{self, Mapping},
};
use rustix::process::Signal;

use super::native_memory::{self, Watched};

/// What the kernel writes over the first byte of an instruction that is probed (`int3`).
const BREAKPOINT: u8 = 0xcc;

/// Breakpoints in the allocator of the process `pid`.
fn armed(pid: u32) -> Result<usize> {
    let maps = maps::of(pid)?;
    let plan = malloc::prepare(pid, &maps)?;
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let is_armed = |address: &u64| {
        let mut byte = [0];
        memory.read_exact_at(&mut byte, *address).is_ok() && byte == [BREAKPOINT]
    };
    Ok(places(&plan, &maps).filter(is_armed).count())
}

fn places<'a>(plan: &'a MallocPlan, maps: &'a [Mapping]) -> impl Iterator<Item = u64> + 'a {
    let is_its_file = |mapping: &&Mapping| mapping.path.to_str() == Some(&plan.library.path);
    let libraries = maps.iter().filter(is_its_file);
    libraries.flat_map(|mapping| {
        let offsets = plan.probes.iter().filter_map(|probe| probe.file_offset.checked_sub(mapping.offset));
        offsets.map(|offset| mapping.start + offset).filter(|address| *address < mapping.end)
    })
}

fn wait_until_armed(pid: u32) -> Result<()> {
    proc::until(patience(), || Ok((armed(pid)? > 0).then_some(()))).context("no window came")
}

fn wait_until_bare(pid: u32) -> Result<()> {
    proc::until(patience(), || Ok((armed(pid)? == 0).then_some(()))).context("probes are still there")
}

/// A leaking process, watched by the tool, within a window.
fn in_window(version: &str) -> Result<(Node, Tool)> {
    let node = native_memory::start(version, &["leak-1m", "churn"])?;
    let tool = Tool::watch(&[node.pid()])?;
    wait_until_armed(node.pid())?;
    Ok((node, tool))
}

#[test]
fn a_window_ends_though_the_target_is_stopped() -> Result<()> {
    let _machine = machine::shared();
    let mut watched = Watched::start(releases::USUAL, Mode::Auto, &["leak-1m"], |_| Ok(()))?;
    let pid = watched.node.pid();
    wait_until_armed(pid)?;
    watched.node.signal(Signal::STOP)?;
    wait_until_bare(pid)?;
    watched.node.signal(Signal::CONT)?;
    wait_until_armed(pid)?;
    watched.node.healthy()?;
    watched.tracker.stop();
    ensure!(armed(pid)? == 0, "stopped, and probes are there");
    Ok(())
}

#[test]
fn interrupted_within_a_window() -> Result<()> {
    let _machine = machine::shared();
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let (mut node, tool) = in_window(releases::USUAL)?;
        tool.signal(signal)?;
        // What is left when the tool ends is taken away by a copy of it, or by the kernel.
        let finished = tool.finish()?;
        wait_until_bare(node.pid()).with_context(|| format!("{signal:?}: {}", finished.stderr))?;
        node.healthy()?;
        ensure!(node.stop()?.success(), "{signal:?}");
    }
    Ok(())
}

#[test]
fn the_target_ends_within_a_window() -> Result<()> {
    let _machine = machine::shared();
    let (node, tool) = in_window(releases::USUAL)?;
    node.signal(Signal::KILL)?;
    let finished = tool.finish()?;
    finished.done()?;
    ensure!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    Ok(())
}

#[test]
fn the_target_executes_another_program_within_a_window() -> Result<()> {
    let _machine = machine::shared();
    let (mut node, mut tool) = in_window("26.10.0")?;
    node.tell("exec")?;
    tool.wait("end", |record| matches!(&record.body, Body::End(end) if *end == End::Exec))?;
    let finished = tool.finish()?;
    finished.done()?;
    ensure!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    wait_until_bare(node.pid())?;
    std::thread::sleep(Duration::from_millis(200));
    let name = fs::read_to_string(format!("/proc/{}/comm", node.pid()))?;
    ensure!(name.trim() == "sleep", "{name}");
    Ok(())
}

//! What a process holds, read from outside: every part is as large as the process itself says, reading adds nothing to it,
//! and whoever stands still is seen to.

use std::{fs, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use memwatch_common::outside::OutsideLayout;
use memwatch_tests::{
    node::{self, Node},
    patience, proc, releases,
};
use memwatch_user::{
    host::clock,
    model::Reading,
    sample::{Request, Sampler},
};
use rustix::process::Signal;

const MIB: u64 = 1 << 20;
/// What the fixture writes to.
const TOUCHED: u64 = 60 * MIB;

#[test]
fn every_part_is_as_large_as_the_process_says() -> Result<()> {
    for version in releases::chosen() {
        parts(version).with_context(|| format!("Node {version}"))?;
    }
    Ok(())
}

fn parts(version: &str) -> Result<()> {
    let mut node = node::start(version, "memory_parts")?.flag("--expose-gc").ready()?;
    node.tell("heaps")?;
    let heap: u64 = numbers(&node.said("heaps ")?)?.iter().sum();
    // It stands still, so that whatever changes is our doing.
    stand_still(&node)?;
    let before = resident_pages(node.pid())?;
    let reading = read(node.pid());
    let after = resident_pages(node.pid())?;
    node.signal(Signal::CONT)?;
    ensure!(before == after, "reading changed it from {before} to {after} pages");
    ensure!(reading.suspended);
    let resident = reading.resident.context("not read")?;
    let shown = format!("{reading:?}");

    // V8 does not count what is read-only and shared by its isolates, its code's tables, headers of what it keeps.
    near(resident.v8_heap, heap, heap / 20 + 3 * MIB).with_context(|| shown.clone())?;
    ensure!((TOUCHED..TOUCHED + 60 * MIB).contains(&resident.malloc), "{shown}");
    ensure!(resident.files > 20 * MIB && (1..8 * MIB).contains(&resident.stacks), "{shown}");
    ensure!(resident.other < 3 * MIB, "{shown}");
    near(resident.total(), before * page_size(), MIB / 2).with_context(|| shown.clone())?;

    let opened = numbers(&node.said("descriptors ")?)?;
    let descriptors = reading.descriptors.context("not read")?;
    ensure!((opened[0]..opened[0] + 6).contains(&descriptors.sockets.unwrap_or(0)), "{shown}");
    ensure!((opened[1]..opened[1] + 6).contains(&descriptors.files.unwrap_or(0)), "{shown}");
    ensure!(descriptors.pipes > Some(0) && descriptors.other > Some(0), "{shown}");
    ensure!(descriptors.total == fs::read_dir(format!("/proc/{}/fd", node.pid()))?.count() as u64, "{shown}");
    ensure!(reading.threads == Some(proc::threads(node.pid())?.len() as u64), "{shown}");
    ensure!(node.stop()?.success());
    Ok(())
}

#[test]
fn who_is_stopped_is_seen_to_stand_still() -> Result<()> {
    let mut node = node::running("idle")?;
    ensure!(!read(node.pid()).suspended);
    stand_still(&node)?;
    ensure!(read(node.pid()).suspended);
    node.signal(Signal::CONT)?;
    node.healthy()?;
    ensure!(!read(node.pid()).suspended);
    Ok(())
}

#[test]
fn who_ends_while_it_is_read_is_not_read_in_part() -> Result<()> {
    let node = node::running("idle")?;
    let pid = node.pid();
    let whole = read(pid).resident.map(|resident| resident.total()).context("not read")?;
    let reader = thread::spawn(move || {
        let sizes = std::iter::from_fn(|| read(pid).resident.map(|resident| resident.total()));
        sizes.collect::<Vec<_>>()
    });
    thread::sleep(Duration::from_millis(50));
    node.signal(Signal::KILL)?;
    let sizes = reader.join().map_err(|_| anyhow::anyhow!("reading panicked"))?;
    ensure!(sizes.iter().all(|size| *size > whole / 2), "{whole} then {sizes:?}");
    Ok(())
}

fn stand_still(node: &Node) -> Result<()> {
    node.signal(Signal::STOP)?;
    proc::until(patience(), || Ok((proc::state(node.pid())? == 'T').then_some(())))
}

/// A first reading: everything is due.
fn read(pid: u32) -> Reading {
    Sampler::new(pid, None, OutsideLayout::UNKNOWN).read(clock::now(), &Request::everything())
}

fn near(value: u64, expected: u64, tolerance: u64) -> Result<()> {
    ensure!(value.abs_diff(expected) <= tolerance, "{value} instead of {expected}");
    Ok(())
}

fn numbers(text: &str) -> Result<Vec<u64>> {
    text.split(' ').map(|number| Ok(number.parse()?)).collect()
}

/// Exact, unlike the size in `status`: counted page by page.
fn resident_pages(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).context("no Rss in smaps_rollup")?;
    let kib: u64 = line.trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024 / page_size())
}

fn page_size() -> u64 {
    rustix::param::page_size() as u64
}

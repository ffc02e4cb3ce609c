//! What an isolate holds outside of its heap is what it says itself, to the byte: at the end of each collection, and
//! between collections; main thread and worker, on every release and other builds.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    container::Root,
    machine,
    node::{self, Node, Start},
    patience, proc, releases, skip,
    tool::{self, Tool},
};
use memwatch_user::report::record::{Body, Gc, IsolateState, Record, State};

use crate::{builds::stripped, containers};

/// How often it allocates, frees and collects.
const ROUNDS: usize = 3;
/// The main thread and a worker.
const ISOLATES: usize = 2;
/// Collections of each isolate in a round.
const COLLECTIONS: usize = 3;
const FIXTURE: &str = "outside_heap";

/// A module for each release. Those that are not among [`releases::chosen`] are run with `MEMWATCH_FULL=1` only.
macro_rules! on_every_release {
    ($($name:ident $version:literal),* $(,)?) => { $(
        #[test]
        fn $name() -> Result<()> {
            if !releases::chosen().contains(&$version) {
                return skip(concat!("Node ", $version), "only with MEMWATCH_FULL=1");
            }
            of_process(node::start($version, FIXTURE)?)
        }
    )* };
}

on_every_release! {
    node_12 "12.22.12", node_14 "14.21.3", node_16 "16.20.2", node_18 "18.20.8", node_20 "20.20.2",
    node_22 "22.23.3", node_24 "24.21.0", node_25 "25.9.0", node_26 "26.10.0",
}

#[test]
fn without_symbols() -> Result<()> {
    of_process(Start::new(stripped("22.23.3")?, node::fixture(FIXTURE)))
}

#[test]
fn with_the_debugging_allocator() -> Result<()> {
    of_process(node::start(releases::USUAL, FIXTURE)?.flag("--debug-arraybuffer-allocations"))
}

#[test]
fn with_musl() -> Result<()> {
    of_build("musl")
}

#[test]
fn with_v8_in_a_shared_library() -> Result<()> {
    of_build("debian")
}

fn of_process(start: Start) -> Result<()> {
    let _machine = machine::shared();
    let mut node = start.flag("--expose-gc").ready()?;
    let pid = node.pid();
    exact(&mut node, pid)
}

fn of_build(name: &str) -> Result<()> {
    let _machine = machine::shared();
    let root = Root::of_build(name)?;
    let mut node = root.node(FIXTURE).flag("--expose-gc").ready()?;
    let pid = containers::node_inside(&node)?;
    exact(&mut node, pid)
}

/// Isolates die between the event that we have of them and the next: what is read of them must be theirs or nothing.
#[test]
fn isolates_that_come_and_go_make_no_nonsense() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("worker_churn")?;
    let pid = node.pid().to_string();
    let finished = tool::run(&["--pid", &pid, "--json", "--interval", "100ms", "--duration", "6s"])?;
    let records = finished.records()?;
    let gone = |record: &&Record| matches!(&record.body, Body::Isolate(it) if it.state == IsolateState::Gone);
    let told: Vec<u64> = records.iter().filter_map(told).collect();
    ensure!(records.iter().filter(gone).count() > 20 && told.len() > 20, "{} readings", told.len());
    // Three workers with 10 MB each, as many that are about to go, and what Node itself allocates.
    let nonsense: Vec<_> = told.iter().filter(|bytes| **bytes > 100_000_000).collect();
    ensure!(nonsense.is_empty(), "{nonsense:?}");
    ensure!(told.iter().any(|bytes| *bytes > 10_000_000), "{told:?}");
    Ok(())
}

/// Array buffers, of a collection or of a reading.
fn told(record: &Record) -> Option<u64> {
    match &record.body {
        Body::Gc(gc) => gc.array_buffers,
        Body::Memory(memory) => memory.held.array_buffers,
        _ => None,
    }
}

/// Array buffers and external bytes of an isolate.
type Held = (u64, u64);

fn exact(node: &mut Node, pid: u32) -> Result<()> {
    let mut tool = Tool::start(&["--pid", &pid.to_string(), "--json", "--interval", "200ms"])?;
    let hello = tool.attached(pid)?;
    let is_on = matches!(&hello.body, Body::Hello(hello) if hello.features.external == State::On);
    ensure!(is_on, "{hello:?}");
    for round in 1..=ROUNDS {
        node.tell("work")?;
        let said = said(node, round)?;
        tool.wait_all("gc()", ISOLATES * COLLECTIONS * round, is_forced)?;
        let records = tool.records()?;
        ensure!(last_of_isolates(&records) == said, "{:?} instead of {said:?}", last_of_isolates(&records));
        // One that stands still is read within ten seconds.
        proc::until(patience(), || Ok(between_collections(&tool.records()?, &said).ok()))
            .with_context(|| format!("after round {round}: {said:?}"))?;
    }
    let went_off =
        |record: &Record| matches!(&record.body, Body::Feature(feature) if feature.name == "external");
    ensure!(!tool.records()?.iter().any(went_off), "it went off");
    Ok(())
}

/// What the isolates say that they hold in this round, the smallest first.
fn said(node: &mut Node, round: usize) -> Result<Vec<Held>> {
    let lines = node.said_times("held ", ISOLATES * round)?;
    let of_round = lines.iter().skip(ISOLATES * (round - 1));
    let held = of_round.map(|line| {
        let (array_buffers, external) = line.split_once(' ').context("two numbers")?;
        Ok((array_buffers.parse()?, external.parse()?))
    });
    let mut held = held.collect::<Result<Vec<Held>>>()?;
    held.sort_unstable();
    Ok(held)
}

/// What the isolates held at the end of their last `gc()` by our records, the smallest first.
fn last_of_isolates(records: &[Record]) -> Vec<Held> {
    let forced = records.iter().filter(|record| is_forced(record)).filter_map(tool::gc);
    let held = |gc: &Gc| Some((gc.isolate, (gc.array_buffers?, gc.external?)));
    let last: BTreeMap<u32, Held> = forced.filter_map(held).collect();
    let mut held: Vec<Held> = last.into_values().collect();
    held.sort_unstable();
    held
}

/// One of the readings after the last `gc()` is the sum of what is held: nothing happens for a while then.
fn between_collections(records: &[Record], said: &[Held]) -> Result<()> {
    let last = records.iter().rposition(is_forced).context("no gc()")?;
    let expected = said.iter().fold((0, 0), |sum, held| (sum.0 + held.0, sum.1 + held.1));
    let reading = |record: &Record| match &record.body {
        Body::Memory(memory) => Some((memory.held.array_buffers?, memory.held.external?)),
        _ => None,
    };
    let readings: Vec<Held> = records[last..].iter().filter_map(reading).collect();
    ensure!(readings.contains(&expected), "{readings:?} instead of {expected:?}");
    Ok(())
}

fn is_forced(record: &Record) -> bool {
    tool::gc(record).is_some_and(|gc| gc.reason == "testing")
}

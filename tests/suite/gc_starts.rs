//! Where collections start: in which line of JavaScript, or outside of it; of the main thread and of workers.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    machine, node, releases,
    tool::{self, Finished, Tool},
};
use memwatch_user::report::record::{Body, Frame, Gc, Record, Starts};

use crate::js_stacks;

const FIXTURE: &str = "gc_starts";
/// V8's words for `gc()`.
const ASKED_FOR: &str = "testing";
/// Its words for what tasks of its own do, when no JavaScript runs.
const TASKS: [&str; 3] = ["task", "finalize incremental marking via task", "memory reducer"];
/// Before this, lines of allocations in optimised code may be a neighbour's.
const TRUE_LINES: u32 = 22;
/// From then on V8 begins to mark when there is much external memory, instead of collecting at once, and ends in a task.
const EXTERNAL_IS_MARKED: u32 = 24;

#[test]
fn functions_that_cause_collections_are_named_and_tasks_are_outside_of_javascript() -> Result<()> {
    let _machine = machine::shared();
    let marks = marks(FIXTURE)?;
    for version in js_stacks::releases() {
        let mut node = node::start(version, FIXTURE)?.flag("--expose-gc").ready()?;
        let pid = node.pid().to_string();
        let mut tool = Tool::start(&["--pid", &pid, "--json", "--native", "off"])?;
        for name in ["collect", "inWorker"].into_iter().chain(causes(js_stacks::major(version))) {
            let is_its = |record: &Record| tool::gc(record).is_some_and(|gc| is_called(gc, name));
            tool.wait_all(name, 4, is_its)?;
        }
        tool.wait("a task", |record| tool::gc(record).is_some_and(is_known_task))?;
        let finished = tool.interrupt()?;
        node.healthy()?;
        judge(&finished, node.pid(), js_stacks::major(version), &marks)
            .with_context(|| format!("Node {version}"))?;
    }
    Ok(())
}

fn judge(finished: &Finished, pid: u32, major: u32, marks: &BTreeMap<String, u32>) -> Result<()> {
    finished.done()?;
    let records = finished.records()?;
    let collections = tool::collections(&records, pid);
    all_are_known(&collections)?;
    asked_for(&collections, pid, marks)?;
    let tasks: Vec<_> = collections.iter().filter(|gc| is_known_task(gc)).collect();
    ensure!(!tasks.is_empty() && tasks.iter().all(|gc| is_outside(gc)), "tasks: {tasks:#?}");
    for name in causes(major) {
        let started: Vec<_> = collections.iter().filter(|gc| is_called(gc, name)).collect();
        let line = marks.get(name).copied();
        let is_true = |gc: &&&Gc| innermost(gc).is_some_and(|frame| frame.doubtful || frame.line == line);
        let lines_are_true = major < TRUE_LINES || started.iter().all(is_true);
        ensure!(!started.is_empty() && lines_are_true, "{name}: {started:#?}");
    }
    sums_are_true(&records, &collections)
}

/// Those that began before stacks were walked are not, and few others: a walk that another one on its CPU gets into is lost.
fn all_are_known(collections: &[&Gc]) -> Result<()> {
    let known = |gc: &&Gc| gc.started_in.is_some();
    let first = collections.iter().position(known).context("no start is known")?;
    let unknown: Vec<_> = collections[first..].iter().filter(|gc| !known(gc)).collect();
    let few = unknown.len() * 25 <= collections.len();
    ensure!(few, "behind the first {first}: {unknown:#?}");
    Ok(())
}

fn asked_for(collections: &[&Gc], pid: u32, marks: &BTreeMap<String, u32>) -> Result<()> {
    let mut seen = BTreeMap::new();
    for gc in collections.iter().filter(|gc| gc.reason == ASKED_FOR && gc.started_in.is_some()) {
        let name = if gc.thread == pid { "collect" } else { "inWorker" };
        let frame = innermost(gc).with_context(|| format!("outside: {gc:?}"))?;
        let place = (frame.function.as_deref(), frame.line);
        ensure!(place == (Some(name), marks.get(name).copied()) && !frame.doubtful, "{gc:?}");
        *seen.entry(name).or_insert(0) += 1;
    }
    ensure!(seen.len() == 2 && seen.values().all(|n| *n >= 3), "{seen:?}");
    Ok(())
}

fn sums_are_true(records: &[Record], collections: &[&Gc]) -> Result<()> {
    let last: BTreeMap<u32, &Starts> =
        records.iter().filter_map(starts).map(|starts| (starts.isolate, starts)).collect();
    ensure!(last.len() == 2, "{last:#?}");
    for (isolate, starts) in last {
        let of_isolate: Vec<_> = collections.iter().filter(|gc| gc.isolate == isolate).collect();
        let known = of_isolate.iter().filter(|gc| gc.started_in.is_some());
        let (mut n, mut pause_us, mut outside) = (0, 0, 0);
        for gc in known {
            n += 1;
            pause_us += gc.pause_us;
            outside += u64::from(is_outside(gc));
        }
        // What began before stacks were walked is not counted at all.
        let Starts { all, unknown, .. } = starts;
        ensure!(all.n == n + unknown.n && all.n <= of_isolate.len() as u64, "{n} known: {starts:#?}");
        // Each of the records leaves out what is less than a microsecond.
        let of_known = all.pause_us - unknown.pause_us;
        ensure!(of_known.abs_diff(pause_us) <= n, "{n} known in {pause_us} µs: {starts:#?}");
        ensure!(starts.outside.n == outside, "{outside} outside: {starts:#?}");
        let told: u64 = starts.starts.iter().map(|start| start.paused.n).sum();
        ensure!(told <= n && told > 0, "{starts:#?}");
    }
    Ok(())
}

/// The last collection before V8 gives up is named after what keeps everything: mostly a full one, but V8 may give up in
/// the first of those.
#[test]
fn a_function_that_allocates_to_death_is_named() -> Result<()> {
    let _machine = machine::shared();
    let line = marks(FIXTURE)?.get("die").copied();
    for version in js_stacks::releases() {
        let start = node::start(version, FIXTURE)?.flag("--expose-gc");
        let mut node = start.flag("--max-old-space-size=96").ready()?;
        let tool = Tool::watch(&[node.pid()])?;
        node.tell("die")?;
        let finished = tool.finish()?;
        let records = finished.records()?;
        let collections = tool::collections(&records, node.pid());
        let last = collections.iter().rfind(|gc| gc.thread == node.pid());
        let frame = last.and_then(|gc| innermost(gc));
        let is_true = |frame: &Frame| frame.doubtful || frame.line == line;
        let is_it = |frame: &Frame| frame.function.as_deref() == Some("die") && is_true(frame);
        ensure!(frame.is_some_and(is_it), "Node {version}: {last:#?}");
    }
    Ok(())
}

/// What is said in words.
#[test]
fn the_closing_text_says_where_collections_start() -> Result<()> {
    let _machine = machine::shared();
    let node = node::start(releases::USUAL, FIXTURE)?.flag("--expose-gc").ready()?;
    let finished = tool::run(&["--pid", &node.pid().to_string(), "--native", "off", "--duration", "3s"])?;
    finished.done()?;
    for said in [" of the time; mark-compact in ", "testing · in collect /"] {
        ensure!(finished.stdout.contains(said), "no `{said}`: {}", finished.stdout);
    }
    Ok(())
}

/// Functions that cause collections without asking for them.
fn causes(major: u32) -> impl Iterator<Item = &'static str> {
    ["flood"].into_iter().chain((major < EXTERNAL_IS_MARKED).then_some("buffers"))
}

fn is_called(gc: &Gc, name: &str) -> bool {
    innermost(gc).is_some_and(|frame| frame.function.as_deref() == Some(name))
}

/// A task of V8's own, and not one that ran before stacks were walked.
fn is_known_task(gc: &Gc) -> bool {
    TASKS.contains(&gc.reason.as_str()) && gc.started_in.is_some()
}

fn innermost(gc: &Gc) -> Option<&Frame> {
    gc.started_in.as_ref()?.first()
}

fn is_outside(gc: &Gc) -> bool {
    gc.started_in.as_ref().is_some_and(Vec::is_empty)
}

fn starts(record: &Record) -> Option<&Starts> {
    match &record.body {
        Body::Starts(starts) => Some(starts),
        _ => None,
    }
}

/// Lines with marks, by mark.
fn marks(fixture: &str) -> Result<BTreeMap<String, u32>> {
    let text = fs::read_to_string(node::fixture(fixture))?;
    let marked = |(line, text): (u32, &str)| Some((text.split_once("//= ")?.1.to_owned(), line));
    Ok((1..).zip(text.lines()).filter_map(marked).collect())
}

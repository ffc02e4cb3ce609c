//! A verdict on a heap does not wait for V8: what is reachable is read from outside, and a heap that runs full is told by its sizes.

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    machine, node,
    tool::{self, Tool},
};
use memwatch_user::{
    report::record::{Body, GcKind, Kind, Level, Record, Verdict},
    vocabulary::{Reason, Seen},
};

/// V8 has no reason for a full collection there, and `stable` took five of them.
#[test]
fn a_heap_that_v8_does_not_collect_is_stable() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running("steady_garbage")?;
    let mut tool = Tool::watch(&[node.pid()])?;
    let is_stable = |record: &Record| {
        tool::verdict_on(record, Kind::JsHeap).is_some_and(|verdict| verdict.verdict == Level::Stable)
    };
    let record = tool.wait("verdict `stable`", is_stable)?;
    let records = tool.records()?;
    let full = records
        .iter()
        .filter(|record| matches!(&record.body, Body::Gc(gc) if gc.kind == GcKind::MarkCompact));
    ensure!(full.count() < 5, "V8 has collected often enough by itself");
    let verdict = tool::verdict_on(&record, Kind::JsHeap).context("no verdict")?;
    ensure!(goes_by_takes(verdict), "{verdict:?}");
    let read = records.iter().filter(|record| matches!(record.body, Body::Heap(_))).count();
    ensure!(read >= 5, "read {read} times");
    tool.interrupt()?;
    node.healthy()
}

/// What is reachable of a leak is a line from the first take on.
#[test]
fn a_leak_that_v8_hardly_collects_is_called_by_what_is_reachable() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running("heap_middleware")?;
    let mut tool = Tool::watch(&[node.pid()])?;
    let is_called = |record: &Record| {
        tool::verdict_on(record, Kind::JsHeap).is_some_and(|verdict| verdict.verdict >= Level::Suspect)
    };
    let record = tool.wait("verdict `suspect` or `leak`", is_called)?;
    let verdict = tool::verdict_on(&record, Kind::JsHeap).context("no verdict")?;
    ensure!(goes_by_takes(verdict), "{verdict:?}");
    let holder = verdict.holders.first().context("nothing holds it")?;
    ensure!(holder.place.contains("`contexts`"), "{holder:?}");
    let is_held = |reason: &Reason| matches!(reason.seen, Seen::Held { .. }) && reason.passes();
    ensure!(verdict.reasons.iter().any(is_held), "{verdict:?}");
    tool.interrupt()?;
    node.healthy()
}

/// One of 2 of 4 GB that grew by 28 MB a second was `inconclusive` for a minute, with one full collection, until it died. Sizes tell:
/// such a heap is soon too large to be read.
#[test]
fn a_heap_that_runs_full_is_called_in_time() -> Result<()> {
    let _machine = machine::alone();
    let node = node::running("runaway")?;
    let pid = node.pid().to_string();
    let mut tool = Tool::start(&["--pid", &pid, "--json", "--explain", "off"])?;
    let is_leak = |record: &Record| {
        tool::verdict_on(record, Kind::JsHeap).is_some_and(|verdict| verdict.verdict == Level::Leak)
    };
    let record = tool.wait("verdict `leak`", is_leak)?;
    let verdict = tool::verdict_on(&record, Kind::JsHeap).context("no verdict")?;
    let is_runaway = |reason: &Reason| matches!(reason.seen, Seen::Runaway { kept_share: Some(_), .. });
    ensure!(verdict.reasons.iter().any(is_runaway), "{verdict:?}");
    let left = verdict.time_to_exhaustion_s.and_then(|times| times[0]).context("no forecast")?;
    ensure!(left > 5.0, "it was as good as dead: {left} s");
    tool.interrupt()?.expect(1)
}

fn goes_by_takes(verdict: &Verdict) -> bool {
    verdict
        .reasons
        .iter()
        .any(|reason| matches!(&reason.seen, Seen::Course(course) if course.takes.is_some()))
}

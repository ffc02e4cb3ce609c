//! A leak is called one, of the right kind, and a cache is not; the exit status says which.

use std::fs;

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    machine, node,
    tool::{self, Finished, Tool},
};
use memwatch_user::report::record::{Frame, Kind, Level, Record, Resource, Unit, Verdict};

#[test]
fn a_leak_is_called_and_the_status_is_1() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("leak_fast")?;
    let mut tool = Tool::watch(&[node.pid()])?;
    let called = |verdict: &Verdict| verdict.verdict == Level::Leak;
    tool.wait("verdict `leak`", |record| tool::verdict(record).is_some_and(called))?;
    let finished = tool.interrupt()?;
    finished.expect(1)?;
    let last = last_verdict(&finished)?;
    ensure!((last.verdict, last.kind) == (Level::Leak, Kind::JsHeap), "{last:?}");
    ensure!(last.rate_bytes_per_hour.is_some_and(|rate| rate > 0.0) && !last.evidence.is_empty(), "{last:?}");
    let interval = last.rate_interval.context("a rate without an interval")?;
    ensure!(interval[0].is_some_and(|low| low > 0.0), "{last:?}");
    Ok(())
}

/// A profile cannot be written; that it leaks is what the status says all the same.
#[test]
fn a_leak_goes_before_a_full_disk() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("leak_fast")?;
    let pid = node.pid().to_string();
    let mut tool = Tool::start(&["--pid", &pid, "--json", "--collapsed", "/dev/full"])?;
    let called = |verdict: &Verdict| verdict.verdict == Level::Leak;
    tool.wait("verdict `leak`", |record| tool::verdict(record).is_some_and(called))?;
    let finished = tool.interrupt()?;
    ensure!(finished.stderr.contains("/dev/full"), "{}", finished.stderr);
    finished.expect(1)
}

#[test]
fn descriptors_that_stay_open_are_named() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("leak_fds")?;
    let mut tool = Tool::watch(&[node.pid()])?;
    let is_leak = |record: &Record| tool::verdict(record).is_some_and(|v| v.verdict == Level::Leak);
    let record = tool.wait("verdict `leak`", is_leak)?;
    let verdict = tool::verdict(&record).context("no verdict")?;
    ensure!((verdict.isolate, verdict.kind) == (None, Kind::Fds), "{verdict:?}");
    ensure!((verdict.rate_bytes_per_hour, verdict.rate_unit) == (None, Unit::Count), "{verdict:?}");
    let hourly = verdict.rate_per_hour.context("no rate")?;
    ensure!((hourly / 36_000.0 - 1.0).abs() < 0.1, "{hourly} instead of 36000 an hour");
    ensure!(verdict.exhausts == Some(Resource::FdLimit), "{verdict:?}");
    tool.interrupt()?.expect(1)
}

/// Buffers are blocks of malloc: whose line took them is said of the verdict on external memory, not of native memory.
#[test]
fn buffers_that_are_kept_have_the_line_that_makes_them() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("leak_buffers")?;
    let source = fs::read_to_string(node::fixture("leak_buffers"))?;
    let line = source.lines().position(|line| line.contains("Buffer.alloc")).context("no such line")? + 1;
    let mut tool = Tool::watch(&[node.pid()])?;
    let is_it = |frame: &Frame| {
        frame.function.as_deref() == Some("receive") && frame.line == u32::try_from(line).ok()
    };
    let is_named = |verdict: &Verdict| {
        let grows = verdict.kind == Kind::External && verdict.verdict >= Level::Suspect;
        grows && verdict.sites.first().is_some_and(|site| site.frames.iter().any(is_it))
    };
    tool.wait("verdict with its line", |record| tool::verdict(record).is_some_and(is_named))?;
    let records = tool.interrupt()?.records()?;
    let native = |verdict: &&Verdict| verdict.kind == Kind::Native && verdict.verdict >= Level::Growing;
    let grows = records.iter().filter_map(tool::verdict).find(native);
    ensure!(grows.is_none(), "{grows:?}");
    Ok(())
}

#[test]
fn a_full_cache_is_none() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running("no_leak_cache")?;
    let pid = node.pid().to_string();
    let finished = tool::run(&["--pid", &pid, "--json", "--duration", "35s"])?;
    let last = last_verdict(&finished)?;
    ensure!(last.verdict < Level::Suspect, "{last:?}");
    let records = finished.records()?;
    let leak = records.iter().filter_map(tool::verdict).find(|verdict| verdict.verdict == Level::Leak);
    ensure!(leak.is_none(), "{leak:?}");
    let held = records.iter().filter_map(tool::verdict).find(|verdict| !verdict.holders.is_empty());
    ensure!(held.is_none(), "a cache that is full holds no more than before: {held:?}");
    finished.expect(if last.verdict == Level::Inconclusive { 3 } else { 0 })?;
    node.healthy()
}

#[test]
fn too_short_is_inconclusive_and_the_status_is_3() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("idle")?;
    let finished = tool::run(&["--pid", &node.pid().to_string(), "--json", "--duration", "1s"])?;
    let last = last_verdict(&finished)?;
    ensure!(last.verdict == Level::Inconclusive, "{last:?}");
    finished.expect(3)
}

/// The last verdict on a heap, or that there is none.
fn last_verdict(finished: &Finished) -> Result<Verdict> {
    let records = finished.records()?;
    let mut last = records.iter().rev().filter_map(tool::verdict);
    last.find(|verdict| matches!(verdict.kind, Kind::JsHeap | Kind::None))
        .cloned()
        .context("there is no verdict")
}

//! A verdict on a heap that grows says what holds it, read from the heap while the process runs on.

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    full, machine, node, releases,
    tool::{self, Tool},
};
use memwatch_user::report::record::{Holder, Kind, Level};

/// Of these every one takes a minute.
const MORE: [&str; 4] = ["18.20.8", "20.20.2", "22.23.3", "26.10.0"];

#[test]
fn what_holds_a_leak_is_named() -> Result<()> {
    let _machine = machine::shared();
    let mut versions = vec![releases::USUAL];
    if full() {
        versions.extend(MORE);
    }
    for version in versions {
        named_on(version, "leak_fast", "sessions", "serve").with_context(|| format!("Node {version}"))?;
    }
    Ok(())
}

/// 2 % of what is allocated stays: where JavaScript allocates most is no answer there.
#[test]
fn what_holds_a_leak_among_much_garbage_is_named() -> Result<()> {
    let _machine = machine::shared();
    named_on(releases::USUAL, "heap_middleware", "contexts", "rememberRequest")
}

fn named_on(version: &str, program: &str, variable: &str, function: &str) -> Result<()> {
    let mut node = node::start(version, program)?.flag("--expose-gc").ready()?;
    let mut tool = Tool::watch(&[node.pid()])?;
    let record = tool.wait("a verdict that says what holds the heap", |record| {
        tool::verdict_on(record, Kind::JsHeap).is_some_and(|verdict| !verdict.holders.is_empty())
    })?;
    let verdict = tool::verdict_on(&record, Kind::JsHeap).context("no verdict")?;
    ensure!(verdict.verdict >= Level::Growing, "{verdict:?}");
    let Holder { share, bytes, count, class, place, function: seen_by, line, .. } = &verdict.holders[0];
    ensure!(place.contains(&format!("`{variable}`")), "{place}: {verdict:?}");
    ensure!(seen_by.as_deref() == Some(function) && line.is_some(), "{verdict:?}");
    ensure!(*share > 0.5 && *bytes > 1 << 20 && *count > 1000, "{verdict:?}");
    ensure!(class.starts_with("Object {id"), "{class}");
    ensure!(verdict.holders.len() == 1, "others grow as well: {:?}", verdict.holders);
    tool.interrupt()?;
    node.healthy()
}

#[test]
fn without_explain_nothing_is_read() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("leak_fast")?;
    let pid = node.pid().to_string();
    let mut tool = Tool::start(&["--pid", &pid, "--json", "--explain", "off"])?;
    tool.wait("verdict `leak`", |record| {
        tool::verdict_on(record, Kind::JsHeap).is_some_and(|verdict| verdict.verdict == Level::Leak)
    })?;
    // Three takes and their rests are over by then.
    thread::sleep(Duration::from_secs(20));
    let finished = tool.interrupt()?;
    let records = finished.records()?;
    let held = records.iter().filter_map(tool::verdict).find(|verdict| !verdict.holders.is_empty());
    ensure!(held.is_none(), "{held:?}");
    Ok(())
}

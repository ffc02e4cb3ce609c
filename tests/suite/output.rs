//! What is printed: help by the letter, JSON Lines by their contract, plain lines without control characters.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    machine, node, releases,
    tool::{self, Tool},
};
use memwatch_user::report::record::{Body, Memory, Record, SCHEMA};
use serde_json::Value;

use crate::golden;

#[test]
fn help_of_every_command() -> Result<()> {
    let top = help(&[])?;
    golden::check("help.txt", &top)?;
    for command in commands(&top) {
        golden::check(&format!("help-{command}.txt"), &help(&[command])?)?;
    }
    Ok(())
}

#[test]
fn version() -> Result<()> {
    let [long, short] = [tool::run(&["--version"])?, tool::run(&["-V"])?];
    long.expect(0)?;
    let first = format!("memwatch-bpf {}\n", env!("CARGO_PKG_VERSION"));
    let rest = long.stdout.strip_prefix(&first).with_context(|| long.stdout.clone())?;
    let labels = rest.lines().filter_map(|line| line.split_once(": ")).filter(|(_, value)| !value.is_empty());
    let labels: Vec<&str> = labels.map(|(label, _)| label).collect();
    ensure!(labels == ["commit", "build", "eBPF programs"], "{}", long.stdout);
    ensure!(!rest.contains("missing") && short.stdout == first, "{}", short.stdout);
    Ok(())
}

/// Of a Node that holds little, the known parts leave next to nothing unexplained, however often it is read.
const READINGS: usize = 5;
/// Bytes.
const NEXT_TO_NOTHING: u64 = 4 << 20;

#[test]
fn the_resident_set_is_explained() -> Result<()> {
    let _machine = machine::shared();
    for version in releases::chosen() {
        let node = node::start(version, "mixed_load")?.ready()?;
        let mut tool = Tool::start(&["--pid", &node.pid().to_string(), "--json", "--interval", "500ms"])?;
        let is_whole = |memory: &Memory| {
            memory.native_live.is_some() && memory.array_buffers.is_some() && memory.parts_age_s == Some(0.0)
        };
        let is_wanted = |record: &Record| matches!(&record.body, Body::Memory(memory) if is_whole(memory));
        tool.wait_all("memory in all its parts", READINGS, is_wanted)?;
        let records = tool.records()?.into_iter().filter(is_wanted).take(READINGS);
        let unexplained = records.filter_map(|record| match record.body {
            Body::Memory(memory) => memory.unexplained,
            _ => None,
        });
        let sizes: Vec<u64> = unexplained.map(i64::unsigned_abs).collect();
        let are_small = sizes.iter().all(|size| *size < NEXT_TO_NOTHING);
        ensure!(sizes.len() == READINGS && are_small, "Node {version}: {sizes:?} unexplained");
        tool.interrupt()?;
    }
    Ok(())
}

#[test]
fn json_lines_keep_the_contract() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("mixed_load")?;
    let mut tool = Tool::start(&["--pid", &node.pid().to_string(), "--json", "--interval", "500ms"])?;
    tool.wait_all("stats", 2, |record| matches!(record.body, Body::Stats(_)))?;
    tool.wait_all("memory", 2, |record| matches!(record.body, Body::Memory(_)))?;
    let finished = tool.interrupt()?;
    let records = finished.records()?;
    for (line, record) in finished.stdout.lines().zip(&records) {
        round_trip(line, record).with_context(|| line.to_owned())?;
    }
    let types = finished.stdout.lines().map(type_of).collect::<Result<Vec<_>>>()?;
    ensure!(
        types.first().is_some_and(|first| first == "hello") && types.last().is_some_and(|last| last == "bye")
    );
    let kinds = types.iter().map(String::as_str).collect::<BTreeSet<_>>();
    for kind in ["isolate", "gc", "stats", "memory", "verdict"] {
        ensure!(kinds.contains(kind), "no {kind} in {kinds:?}");
    }
    Ok(())
}

#[test]
fn plain_lines_when_nobody_looks() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("mixed_load")?;
    let finished = tool::run(&["--pid", &node.pid().to_string(), "--duration", "3s", "-v"])?;
    finished.done()?;
    ensure!(finished.stdout.lines().count() > 3, "{}", finished.stdout);
    let control = |c: char| c.is_control() && c != '\n';
    ensure!(!finished.stdout.contains(control), "control characters in {:?}", finished.stdout);
    Ok(())
}

/// The command line of a process is text of a stranger.
#[test]
fn control_characters_of_the_target_are_not_printed() -> Result<()> {
    let _machine = machine::shared();
    let node = node::start(releases::USUAL, "idle")?.argument("\u{1b}[2J\u{7}\r").ready()?;
    for output in [&[][..], &["--json"], &["-v"]] {
        let pid = node.pid().to_string();
        let finished = tool::run(&[&["--pid", &pid, "--duration", "1s"], output].concat())?;
        finished.done()?;
        let raw = |text: &str| text.contains(['\u{1b}', '\u{7}', '\r']);
        ensure!(!raw(&finished.stdout) && !raw(&finished.stderr), "{:?}", finished.stdout);
    }
    Ok(())
}

/// Reading and writing again loses nothing: the line has no field that the contract does not know.
fn round_trip(line: &str, record: &Record) -> Result<()> {
    ensure!(record.schema == SCHEMA);
    let read = serde_json::from_str::<Value>(line)?;
    let written = serde_json::to_value(record)?;
    ensure!(read == written, "read {read}, written {written}");
    ensure!(
        record.subject.is_some() != matches!(record.body, Body::Missed(_) | Body::Bye(_)),
        "pid and start_time"
    );
    Ok(())
}

fn type_of(line: &str) -> Result<String> {
    let value = serde_json::from_str::<Value>(line)?;
    Ok(value["type"].as_str().context("no type")?.to_owned())
}

fn help(command: &[&str]) -> Result<String> {
    let finished = tool::run(&[command, &["--help"]].concat())?;
    finished.expect(0)?;
    Ok(finished.stdout)
}

/// The names below `Commands:`.
fn commands(help: &str) -> impl Iterator<Item = &str> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next())
}

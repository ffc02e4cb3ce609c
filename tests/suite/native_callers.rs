//! Which line of JavaScript called the native function that leaks: two lines that call the same one are told apart.

use std::fs;

use anyhow::{Context, Result};
use memwatch_tests::{
    full, machine, native,
    node::{self, Node},
    releases,
    tool::Tool,
    workspace,
};
use memwatch_user::report::record::{Body, Frame, Kind, Record, Site};

use super::js_stacks;

const FIXTURE: &str = "native_callers";
/// The function of the addon that both call.
const NATIVE: &str = "leak_block";
/// The marks of the lines that call it, with the share that each leaks.
const CALLERS: [(&str, f64); 2] = [("often", 0.75), ("seldom", 0.25)];
/// How far off a share may be: a few tens of samples.
const TOLERANCE: f64 = 0.2;

fn start(version: &str) -> Result<Node> {
    let addon = native::build(&["addon"], &["-g", "-shared", "-fPIC"])?;
    node::start(version, FIXTURE)?.argument(addon.to_str().context("a path of UTF-8")?).ready()
}

/// The sites of a verdict on native memory.
fn sites(record: &Record) -> Option<&[Site]> {
    match &record.body {
        Body::Verdict(verdict) if verdict.kind == Kind::Native => Some(&verdict.sites),
        _ => None,
    }
}

/// Lines with marks: mark and line.
fn marks() -> Result<Vec<(String, u32)>> {
    let text = fs::read_to_string(workspace().join(format!("tests/fixtures/node/{FIXTURE}.js")))?;
    let marked = |(line, text): (u32, &str)| Some((text.split_once("// mark: ")?.1.to_owned(), line));
    Ok((1..).zip(text.lines()).filter_map(marked).collect())
}

/// Whether the sites are the marked lines, in the order of what they leak and with about their shares, each behind the
/// native function.
fn are_true(sites: &[Site], marks: &[(String, u32)]) -> bool {
    let is_true = |(site, (mark, share)): (&Site, &(&str, f64))| {
        let natives = site.frames.iter().take_while(|frame| frame.kind == "native").count();
        let (native, javascript) = site.frames.split_at(natives);
        let place = javascript.iter().find(|frame| is_fixture(frame)).and_then(|frame| frame.line);
        let line = marks.iter().find(|(name, _)| name == mark).map(|(_, line)| *line);
        native.first().and_then(|frame| frame.function.as_deref()) == Some(NATIVE)
            && javascript.iter().all(|frame| frame.kind == "js")
            && javascript.iter().any(|frame| frame.function.as_deref() == Some(mark))
            && place == line
            && (site.share - share).abs() < TOLERANCE
    };
    sites.len() >= CALLERS.len() && sites.iter().zip(&CALLERS).all(is_true)
}

fn is_fixture(frame: &Frame) -> bool {
    frame.file.as_deref().is_some_and(|file| file.ends_with(&format!("{FIXTURE}.js")))
}

fn are_found(version: &str, mode: &str) -> Result<()> {
    let marks = marks()?;
    let mut node = start(version)?;
    let pid = node.pid().to_string();
    let mut tool = Tool::start(&["--pid", &pid, "--json", "--interval", "1s", "--native", mode])?;
    let is_true = |record: &Record| sites(record).is_some_and(|sites| are_true(sites, &marks));
    let found = tool.wait("true sites", is_true);
    node.healthy()?;
    let last = tool.records()?.iter().rev().find_map(|record| sites(record).map(<[Site]>::to_vec));
    found.with_context(|| format!("Node {version}, {mode}: {last:#?}"))?;
    let finished = tool.interrupt()?;
    finished.done()
}

#[test]
fn lines_that_call_the_same_leaking_function_are_told_apart() -> Result<()> {
    let _machine = machine::shared();
    for version in js_stacks::releases() {
        are_found(version, "auto")?;
        if full() {
            are_found(version, "full")?;
        }
    }
    are_found(releases::USUAL, "full")
}

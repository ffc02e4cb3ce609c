//! Which line of JavaScript called the native function that leaks: two lines that call the same one are told apart, in one
//! thread or in two.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    full, machine, native,
    node::{self, Node},
    releases,
    tool::{self, Tool},
};
use memwatch_user::report::record::{Body, Code, Frame, Kind, Record, Site, Verdict};

use super::js_stacks;

/// A program of which two lines call [`NATIVE`].
pub(super) struct Program {
    pub(super) fixture: &'static str,
    /// The marks of the lines, with the share that each leaks.
    pub(super) callers: [(&'static str, f64); 2],
}

const ONE_THREAD: Program =
    Program { fixture: "native_callers", callers: [("often", 0.75), ("seldom", 0.25)] };
const TWO_THREADS: Program =
    Program { fixture: "worker_callers", callers: [("inMain", 0.75), ("inWorker", 0.25)] };
/// Of the latter, the marks of the lines that keep objects: in the main thread, in the worker.
const KEEPERS: [&str; 2] = ["keptInMain", "keptInWorker"];
/// The function of the addon that all call.
const NATIVE: &str = "leak_block";
/// How far off a share may be: a few tens of samples.
const TOLERANCE: f64 = 0.2;

fn start(version: &str, fixture: &str) -> Result<Node> {
    let addon = native::build(&["addon"], &["-g", "-shared", "-fPIC"])?;
    node::start(version, fixture)?.argument(addon.to_str().context("a path of UTF-8")?).ready()
}

/// The sites of a verdict on native memory.
fn sites(record: &Record) -> Option<&[Site]> {
    match &record.body {
        Body::Verdict(verdict) if verdict.kind == Kind::Native => Some(&verdict.sites),
        _ => None,
    }
}

/// Lines with marks: mark and line.
type Marks = BTreeMap<String, u32>;

fn marks(fixture: &str) -> Result<Marks> {
    let text = fs::read_to_string(node::fixture(fixture))?;
    let marked = |(line, text): (u32, &str)| {
        let (_, mark) = text.split_once("// mark: ")?;
        // What is before the name is for others.
        Some((mark.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned(), line))
    };
    Ok((1..).zip(text.lines()).filter_map(marked).collect())
}

/// Whether the sites are the marked lines, in the order of what they leak and with about their shares, each behind the
/// native function.
fn are_true(sites: &[Site], program: &Program, marks: &Marks) -> bool {
    let is_true = |(site, (mark, share)): (&Site, &(&str, f64))| {
        let natives = site.frames.iter().take_while(|frame| frame.kind == Code::Native).count();
        let (native, javascript) = site.frames.split_at(natives);
        let is_its = |frame: &&Frame| is_of(frame, program.fixture);
        let place = javascript.iter().find(is_its).and_then(|frame| frame.line);
        let line = marks.get(*mark).copied();
        native.first().and_then(|frame| frame.function.as_deref()) == Some(NATIVE)
            && javascript.iter().all(|frame| frame.kind == Code::Js)
            && javascript.iter().any(|frame| frame.function.as_deref() == Some(mark))
            && place == line
            && (site.share - share).abs() < TOLERANCE
    };
    sites.len() >= program.callers.len() && sites.iter().zip(&program.callers).all(is_true)
}

fn is_of(frame: &Frame, fixture: &str) -> bool {
    frame.file.as_deref().is_some_and(|file| file.ends_with(&format!("{fixture}.js")))
}

/// Watches a program until the sites are true; all that was said.
fn are_found(version: &str, mode: &str, program: &Program) -> Result<Vec<Record>> {
    let mut node = start(version, program.fixture)?;
    are_found_in(&mut node, mode, program).with_context(|| format!("Node {version}, {mode}"))
}

/// The same of a program that runs.
pub(super) fn are_found_in(node: &mut Node, mode: &str, program: &Program) -> Result<Vec<Record>> {
    let marks = marks(program.fixture)?;
    let pid = node.pid().to_string();
    let mut tool = Tool::start(&["--pid", &pid, "--json", "--interval", "1s", "--native", mode])?;
    let is_true = |record: &Record| sites(record).is_some_and(|sites| are_true(sites, program, &marks));
    let found = tool.wait("true sites", is_true);
    node.healthy()?;
    let last = tool.records()?.iter().rev().find_map(|record| sites(record).map(<[Site]>::to_vec));
    found.with_context(|| format!("{last:#?}"))?;
    let finished = tool.interrupt()?;
    finished.done()?;
    finished.records()
}

#[test]
fn lines_that_call_the_same_leaking_function_are_told_apart() -> Result<()> {
    let _machine = machine::shared();
    for version in js_stacks::releases() {
        are_found(version, "auto", &ONE_THREAD)?;
        if full() {
            are_found(version, "full", &ONE_THREAD)?;
        }
    }
    are_found(releases::USUAL, "full", &ONE_THREAD).map(drop)
}

#[test]
fn a_worker_and_the_main_thread_are_told_apart() -> Result<()> {
    let _machine = machine::shared();
    let marks = marks(TWO_THREADS.fixture)?;
    for version in js_stacks::releases().filter(|version| full() || *version == releases::USUAL) {
        let records = are_found(version, "auto", &TWO_THREADS)?;
        heaps_are_told_apart(&records, &marks).with_context(|| format!("Node {version}"))?;
    }
    Ok(())
}

/// The last verdict on each thread's heap names the function that keeps objects there, and not that of the other.
fn heaps_are_told_apart(records: &[Record], marks: &Marks) -> Result<()> {
    for is_worker in [false, true] {
        let [own, other] = if is_worker { [KEEPERS[1], KEEPERS[0]] } else { KEEPERS };
        let serial = records.iter().find_map(|record| match &record.body {
            Body::Isolate(isolate) if isolate.worker == is_worker => Some(isolate.isolate),
            _ => None,
        });
        let of_heap = |verdict: &&Verdict| verdict.kind == Kind::JsHeap && verdict.isolate == serial;
        let verdict = records.iter().rev().filter_map(tool::verdict).find(of_heap);
        let sites = &verdict.with_context(|| format!("no verdict on isolate {serial:?}"))?.sites;
        let names =
            |name: &str| sites.iter().flat_map(|site| &site.frames).any(|frame| is_called(frame, name));
        let first = sites.iter().filter_map(|site| site.frames.first()).find(|frame| is_called(frame, own));
        let line = first.and_then(|frame| frame.line);
        ensure!(line == marks.get(own).copied() && !names(other), "isolate {serial:?}: {sites:#?}");
    }
    Ok(())
}

fn is_called(frame: &Frame, name: &str) -> bool {
    frame.function.as_deref() == Some(name)
}

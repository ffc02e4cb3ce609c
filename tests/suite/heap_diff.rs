//! `heap diff`: what was kept in between, exactly, and by whom.

use std::{
    io::Write,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    heap,
    node::{self, Node},
    patience,
    tool::{self, Tool},
};
use memwatch_user::report::heap::record::Diff;

/// Releases of three generations of V8.
const VERSIONS: [&str; 3] = ["18.20.8", "22.23.3", "26.10.0"];
/// How often it is looked for the question.
const LOOK: Duration = Duration::from_millis(50);

/// What `heap diff` says of `node` when `change` was done between its takes.
fn diff(node: &mut Node, change: impl FnOnce(&mut Node) -> Result<()>) -> Result<Diff> {
    let (answer, mut enter) = std::io::pipe()?;
    let mut command = tool::command()?;
    command
        .args(["heap", "diff", "--until-enter", "--json", "--pid", &node.pid().to_string()])
        .args(heap::PAUSE);
    command.stdin(Stdio::from(answer));
    let tool = Tool::spawn(&mut command)?;
    let start = Instant::now();
    while !tool.complaints()?.contains("press Enter") {
        ensure!(start.elapsed() < patience(), "no first take: {}", tool.complaints()?);
        thread::sleep(LOOK);
    }
    change(node)?;
    enter.write_all(b"\n")?;
    let finished = tool.finish()?;
    finished.expect(0)?;
    serde_json::from_str(&finished.stdout).with_context(|| format!("not an answer: {}", finished.stdout))
}

fn leak(node: &mut Node) -> Result<()> {
    node.tell("leak 10000")?;
    node.said("leaked").map(drop)
}

#[test]
fn ten_thousand_kept_objects_are_ten_thousand() -> Result<()> {
    for version in VERSIONS {
        let mut node = node::start(version, "heap_held")?.ready()?;
        let diff = diff(&mut node, leak).with_context(|| format!("Node {version}"))?;
        let class = diff.change.details.iter().find(|detail| detail.what == "LeakingClass");
        let class = class.with_context(|| format!("{:?}", diff.change.details))?;
        ensure!(class.allocated == Some(10_000) && class.freed.is_none(), "Node {version}: {class:?}");
        let holder = diff.holders.first().with_context(|| format!("Node {version}: no holder"))?;
        ensure!(holder.class == "LeakingClass" && holder.grown_count == 10_000, "Node {version}: {holder:?}");
        ensure!(holder.place.starts_with("Array `leaks` (closure of leak, heap_held.js:"), "{holder:?}");
        let cause = diff.causes.first().context("no cause")?;
        ensure!(cause.class == "LeakingClass" && cause.count == 10_000, "Node {version}: {cause:?}");
    }
    Ok(())
}

#[test]
fn a_program_that_does_nothing_has_no_holder_that_grows() -> Result<()> {
    let mut node = node::running("heap_held")?;
    let diff = diff(&mut node, |_| Ok(()))?;
    let grown: Vec<_> = diff.holders.iter().filter(|holder| !holder.own).collect();
    ensure!(grown.is_empty() && diff.change.freed_nodes.is_none(), "{grown:?}");
    Ok(())
}

#[test]
fn a_busy_server_names_what_remembers_its_requests() -> Result<()> {
    let node = node::running("heap_middleware")?;
    let diff: Diff = heap::json(node.pid(), &["diff", "--wait", "2s,2s"])?;
    let holder = diff.holders.first().context("no holder")?;
    ensure!(
        holder.place.starts_with("Map `contexts` (closure of rememberRequest, heap_middleware.js:"),
        "{:#?}",
        diff.holders
    );
    ensure!(holder.class.starts_with("Object {id, at, tags, hops}"), "{holder:?}");
    ensure!(holder.trend.is_some() && diff.between.len() == 1, "{holder:?}");
    ensure!(diff.after.size_bytes > diff.before.size_bytes, "{:?} {:?}", diff.before, diff.after);
    Ok(())
}

#[test]
fn a_process_that_ends_meanwhile_is_one_clear_line() -> Result<()> {
    let mut node = node::running("heap_held")?;
    let pid = node.pid().to_string();
    let tool = Tool::start(&[&["heap", "diff", "--wait", "1h", "--pid", &pid], &heap::PAUSE[..]].concat())?;
    // Whether it ends before or after the first take: it is said.
    thread::sleep(Duration::from_secs(2));
    node.stop()?;
    let finished = tool.finish()?;
    finished.expect(2)?;
    ensure!(finished.stdout.is_empty() && finished.stderr.lines().count() == 1, "{}", finished.stderr);
    ensure!(finished.stderr.contains(&pid), "{}", finished.stderr);
    Ok(())
}

//! Stacks of JavaScript are walked a million times while V8 does its worst, and nobody is harmed.

use std::fs;

use anyhow::{Context, Result, ensure};
use memwatch_common::names::MAX_STACKS;
use memwatch_tests::{full, machine, node, scratch, tool::Tool};
use memwatch_user::{plan::STACK_INTERVAL, report::record::Body};

use crate::js_stacks;

/// What V8 does meanwhile: its name, V8's flags, and what the program does.
type Storm = (&'static str, &'static [&'static str], &'static [&'static str]);

/// All at once, always; the others one by one, in a full run.
const STORMS: [Storm; 6] = [
    (
        "all at once",
        &["--stress-compaction", "--gc-interval=5000", "--allow-natives-syntax"],
        &["deoptimize", "workers"],
    ),
    ("nothing more", &[], &[]),
    ("every full collection compacts", &["--compact-on-every-full-gc", "--gc-interval=3000"], &[]),
    ("compaction at random", &["--stress-compaction", "--gc-interval=5000"], &[]),
    ("deoptimization", &["--allow-natives-syntax"], &["deoptimize"]),
    ("workers come and go", &["--allow-natives-syntax"], &["deoptimize", "workers"]),
];
/// Samples that a full run must have in all.
const MILLION: u64 = 1_000_000;

/// Those of this run, and how long each lasts.
fn chosen() -> (&'static [Storm], &'static str) {
    if full() { (&STORMS, "30s") } else { (&STORMS[..1], "3s") }
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures of a run are what the report quotes")]
fn nobody_is_harmed() -> Result<()> {
    let _machine = machine::shared();
    let ((storms, duration), mut total) = (chosen(), 0);
    for version in js_stacks::releases() {
        for storm in storms {
            let what = || format!("Node {version}, {}", storm.0);
            let samples = weather(version, storm, duration).with_context(what)?;
            println!("{version} {}: {samples} samples", storm.0);
            ensure!(samples > 100, "{samples} samples; {}", what());
            total += samples;
        }
    }
    println!("{total} samples in all");
    ensure!(!full() || total >= MILLION, "{total} samples");
    Ok(())
}

/// More different stacks than the kernel side has room for: there are ever more of them in a process that compiles code anew.
#[test]
fn stacks_without_end_are_counted() -> Result<()> {
    const STACKS: u64 = 3 * MAX_STACKS as u64 / 2;
    const BYTES: u64 = 8 * 70_000;
    let _machine = machine::shared();
    let mut node = node::running("stacks_many")?;
    let file = scratch::directory("stacks")?.join("collapsed");
    let [pid, path] = [node.pid().to_string(), file.display().to_string()];
    let mut tool = Tool::start(&["--pid", &pid, "--json", "--budget", "100%", "--collapsed", &path])?;
    tool.attached(node.pid())?;
    node.tell(&format!("go {STACKS}"))?;
    node.said("gone")?;
    let records = tool.interrupt()?.records()?;
    let lost = records.iter().rev().find_map(|record| match &record.body {
        Body::Loss(loss) => Some(loss.lost),
        _ => None,
    });
    // A busy machine may keep us from reading some in time; without room a third would be lost.
    ensure!(lost.is_none_or(|lost| lost < STACKS / 50), "{lost:?} are lost");
    let lines = fs::read_to_string(file)?;
    let bytes: u64 = lines.lines().filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum();
    ensure!(bytes >= STACKS / 50 * 49 * BYTES, "{bytes} bytes are told, of {}", STACKS * BYTES);
    node.healthy()?;
    ensure!(node.stop()?.success());
    Ok(())
}

/// Samples taken in a process that has to bear `storm`.
fn weather(version: &str, (_, flags, arguments): &Storm, duration: &str) -> Result<u64> {
    let start = node::start(version, "stacks_storm")?;
    let start = flags.iter().fold(start, |start, flag| start.flag(flag));
    let mut node = arguments.iter().fold(start, |start, argument| start.argument(argument)).ready()?;
    let (_, stacks) = js_stacks::profile(node.pid(), duration)?;
    node.healthy()?;
    ensure!(node.stop()?.success());
    let bytes = stacks.iter().filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    Ok(bytes.sum::<u64>() / STACK_INTERVAL)
}

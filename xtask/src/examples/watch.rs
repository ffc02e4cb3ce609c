//! Watches of programs that leak: a heap, and files.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Examples;
use super::records::{Records, is_line};
use super::stage::{Stage, until};
use crate::repo;

/// The program of `memwatch-bpf demo`, and what it calls itself.
const CHECKOUT: &str = "memwatch-user/src/commands/demo/leaky_checkout.js";
/// How often it does so at a time.
const CHECKOUTS: &str = "n < 20";
const TITLE: &str = "leaky-checkout";
/// The file that records are written to beside the lines.
const RECORDS: &str = "records.jsonl";

pub(super) fn play(stage: &Stage) -> Result<Examples> {
    stage.write("checkout.js", &fewer_checkouts()?)?;
    for fixture in ["common", "leak_fds"] {
        stage.bring(&format!("tests/fixtures/node/{fixture}.js"), &format!("{fixture}.js"))?;
    }
    let (mut examples, heap_verdict) = heap(stage)?;
    let files_verdict = files(stage, &mut examples)?;
    examples.insert("record-verdict", format!("{heap_verdict}\n{files_verdict}"));
    Ok(examples)
}

/// The program with a fifth of its checkouts: its heap is read while it runs, which on a busy machine succeeds only where not
/// everything has changed by then.
fn fewer_checkouts() -> Result<String> {
    let program = fs::read_to_string(repo::root().join(CHECKOUT))?;
    ensure!(program.contains(CHECKOUTS), "{CHECKOUT} counts its checkouts otherwise");
    Ok(program.replace(CHECKOUTS, "n < 4"))
}

/// A heap that leaks, as records and as lines; the last verdict on it.
fn heap(stage: &Stage) -> Result<(Examples, String)> {
    let _node = stage.start(&["checkout.js"])?;
    let json = format!("--json={}", stage.path(RECORDS).display());
    let watch = stage.watch(&["--name", TITLE, &json])?;
    let has = |kind, is_wanted: fn(&Value) -> bool| {
        Ok(stage.read(RECORDS).lines().any(|line| is_line(line, kind, is_wanted)))
    };
    until("a leak with its holders", || has("verdict", is_held_leak))?;
    until("a leak of node-memwatch's", || has("leak", |_| true))?;
    let lines = watch.interrupt()?;
    let records = Records::of(&stage.read(RECORDS))?;
    let any = |_: &Value| true;
    let has_parts = |record: &Value| !record["v8_heap"].is_null() && !record["held"].is_null();
    let examples = Examples::from([
        ("verdict", verdict(&lines)?),
        ("record-hello", records.last("hello", any)?),
        ("record-isolate", records.last("isolate", any)?),
        ("record-stats", records.last("stats", any)?),
        ("record-memory", records.last("memory", has_parts)?),
        ("record-heap", records.last("heap", any)?),
        ("record-leak", records.last("leak", any)?),
        ("record-governor", records.last("governor", any)?),
        ("record-bye", records.last("bye", any)?),
    ]);
    Ok((examples, records.last("verdict", is_held_leak)?))
}

fn is_leak(record: &Value, kind: &str) -> bool {
    record["verdict"] == "leak" && record["kind"] == kind
}

fn is_held_leak(record: &Value) -> bool {
    is_leak(record, "js-heap") && record["holders"].as_array().is_some_and(|holders| !holders.is_empty())
}

/// The first lines of a verdict with its holders, as plain lines have them.
fn verdict(lines: &str) -> Result<String> {
    let lines: Vec<&str> = lines.lines().collect();
    let held = lines
        .iter()
        .rposition(|line| line.trim_start().starts_with("held by"))
        .context("no line with a holder")?;
    let above =
        lines[..held].iter().rev().find_map(|line| Some(&line[line.find("leak: JavaScript heap")?..]));
    Ok(format!("{}\n    {}", above.context("a holder without a verdict")?, lines[held].trim_start()))
}

/// Files that are never closed, on a kernel without cookies: the last verdict on them, and one that has no answer yet.
fn files(stage: &Stage, examples: &mut Examples) -> Result<String> {
    let node = stage.start(&["leak_fds.js"])?;
    let pid = node.pid().to_string();
    let watch = stage.watch(&["--pid", &pid, "--assume-missing", "attach-cookie", "--json"])?;
    watch.wait("a leak of files", |line| is_line(line, "verdict", |record| is_leak(record, "fds")))?;
    let records = Records::of(&watch.interrupt()?)?;
    examples.insert("record-feature", records.last("feature", |record| record["state"] == "off")?);
    let open_question = records.last("verdict", |record| record["verdict"] == "inconclusive")?;
    Ok(format!("{}\n{open_question}", records.last("verdict", |record| is_leak(record, "fds"))?))
}

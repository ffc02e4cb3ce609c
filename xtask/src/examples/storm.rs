//! A watch of a program that collects back to back.

use std::io::Read as _;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::Examples;
use super::records::{Records, is_line};
use super::stage::Stage;

/// How long nobody reads what is said of it: more records than wait for a reader.
const UNREAD: Duration = Duration::from_secs(60);

/// A program that collects back to back: it is attached to while it does so, and more is said of it than is read.
pub(super) fn play(stage: &Stage) -> Result<Examples> {
    for fixture in ["common", "gc_storm"] {
        stage.bring(&format!("tests/fixtures/node/{fixture}.js"), &format!("{fixture}.js"))?;
    }
    let node = stage.start(&["--expose-gc", "gc_storm.js"])?;
    let arguments = ["--pid", &node.pid().to_string(), "--json"];
    let watch = stage.watch(&arguments)?;
    watch.wait("a collection that JavaScript began", |line| is_line(line, "gc", has_code))?;
    watch.wait("a loss", |line| is_line(line, "loss", |_| true))?;
    let records = Records::of(&watch.interrupt()?)?;
    Ok(Examples::from([
        ("record-gc", records.last("gc", has_code)?),
        ("record-starts", records.last("starts", |_| true)?),
        ("record-loss", records.last("loss", |_| true)?),
        ("record-missed", missed(stage, &arguments)?),
    ]))
}

fn has_code(record: &Value) -> bool {
    record["started_in"].as_array().is_some_and(|frames| !frames.is_empty())
}

/// What is said to a reader who comes late.
fn missed(stage: &Stage, arguments: &[&str]) -> Result<String> {
    let mut watch = stage.watch_unread(arguments)?;
    thread::sleep(UNREAD);
    kill_process(Pid::from_child(&watch), Signal::INT)?;
    let mut written = String::new();
    watch.stdout.take().context("no standard output")?.read_to_string(&mut written)?;
    watch.wait()?;
    Records::of(&stage.shown(&written))?.last("missed", |_| true)
}

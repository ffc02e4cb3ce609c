//! How processes end: one of each way that can be made to happen anywhere.

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};

use super::Examples;
use super::records::{Records, is_line};
use super::stage::Stage;
use crate::bench::child::Talker;

/// Something that a process ends of.
struct Way {
    /// A fixture of the tests, with flags and arguments.
    node: &'static [&'static str],
    end: fn(&mut Talker) -> Result<()>,
}

const WAYS: [Way; 4] = [
    Way { node: &["exit_code.js", "0"], end: |node| node.tell("exit") },
    Way { node: &["exit_code.js", "0"], end: kill },
    Way { node: &["--max-old-space-size=40", "out_of_memory.js"], end: |node| node.tell("go") },
    Way { node: &["exec.js"], end: |node| node.tell("exec") },
];

pub(super) fn play(stage: &Stage) -> Result<Examples> {
    for fixture in ["common", "exit_code", "out_of_memory", "exec"] {
        stage.bring(&format!("tests/fixtures/node/{fixture}.js"), &format!("{fixture}.js"))?;
    }
    let ends = WAYS.iter().map(|way| end(stage, way)).collect::<Result<Vec<_>>>()?;
    Ok(Examples::from([("record-end", ends.join("\n"))]))
}

fn end(stage: &Stage, way: &Way) -> Result<String> {
    let mut node = stage.start(way.node)?;
    let watch = stage.watch(&["--pid", &node.pid().to_string(), "--json"])?;
    watch.wait("hello", |line| is_line(line, "hello", |_| true))?;
    (way.end)(&mut node)?;
    Records::of(&watch.end()?)?.last("end", |_| true)
}

fn kill(node: &mut Talker) -> Result<()> {
    let pid = i32::try_from(node.pid()).ok().and_then(Pid::from_raw);
    Ok(pid.map_or(Ok(()), |pid| kill_process(pid, Signal::KILL))?)
}

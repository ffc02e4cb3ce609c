//! The worked leak of docs/heap.md: the server that the page shows, and the four commands.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::stage::{Stage, until};
use super::{Examples, blocks};
use crate::repo;

const PAGE: &str = "docs/heap.md";
const PROGRAM: &str = "server.js";
const CLIENT: &str = "xtask/src/examples/js/requests.js";
/// The server's, as the page has it.
const PORT: &str = "8090";
/// How long it may stand still: a page is easier to read if its figures are exact.
const PAUSE: [&str; 2] = ["--pause", "500ms"];

pub(super) fn play(stage: &Stage) -> Result<Examples> {
    let page = fs::read_to_string(repo::root().join(PAGE))?;
    let program = blocks::program(&page, PROGRAM).with_context(|| format!("no {PROGRAM} in {PAGE}"))?;
    stage.write(PROGRAM, &program)?;
    stage.bring(CLIENT, "requests.js")?;
    let server = stage.start(&[PROGRAM])?;
    let pid = server.pid().to_string();
    request(stage, "20000")?;
    Ok(Examples::from([
        ("heap", ask(stage, &["heap", "--pid", &pid])?),
        ("heap-diff", diff(stage, &["heap", "diff", "--pid", &pid])?),
        ("heap-paths", ask(stage, &["heap", "paths", "Session", "--pid", &pid])?),
        ("heap-find", ask(stage, &["heap", "find", "--pid", &pid])?),
    ]))
}

fn request(stage: &Stage, count: &str) -> Result<()> {
    let status = stage.node(&["requests.js", PORT, count]).status()?;
    ensure!(status.success(), "not all requests were answered");
    Ok(())
}

fn ask(stage: &Stage, arguments: &[&str]) -> Result<String> {
    let arguments = [arguments, &PAUSE].concat();
    let output = stage.tool(&arguments).stderr(Stdio::inherit()).output()?;
    answer(stage, &arguments, &output.stdout)
}

/// The same with 5 000 more requests between the two takes.
fn diff(stage: &Stage, arguments: &[&str]) -> Result<String> {
    let arguments = [arguments, &PAUSE, &["--until-enter"]].concat();
    let asked = stage.path("asked");
    let mut command: Command = stage.tool(&arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&asked)?);
    let mut child = command.spawn()?;
    until("the first take", || Ok(fs::read_to_string(&asked)?.contains("Enter")))?;
    request(stage, "5000")?;
    child.stdin.take().context("no standard input")?.write_all(b"\n")?;
    answer(stage, &arguments, &child.wait_with_output()?.stdout)
}

fn answer(stage: &Stage, arguments: &[&str], stdout: &[u8]) -> Result<String> {
    ensure!(!stdout.is_empty(), "`{}` had no answer", arguments.join(" "));
    let text = stage.shown(&String::from_utf8_lossy(stdout));
    Ok(format!("$ sudo memwatch-bpf {}\n{text}", arguments.join(" ")))
}

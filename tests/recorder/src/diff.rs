//! What `heap diff` answers about a program.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use memwatch_lab::live::{
    case::{Case, Run},
    holders::Answer,
};
use memwatch_tests::tool;

use crate::program;

/// How old a program is at the first take, seconds, unless the case says later: caches of the healthy variants are full.
const AGE_S: u64 = 45;
/// Times between the takes.
const WAIT: &str = "20s,20s";

/// Starts a run, and asks. The pause is the default.
pub(crate) fn ask(case: &Case, run: &Run) -> Result<Answer> {
    let node = program::program(case, run, &[])?.ready()?;
    thread::sleep(Duration::from_secs(case.attach_s.max(AGE_S)));
    let finished = tool::run(&["heap", "diff", "--wait", WAIT, "--json", "--pid", &node.pid().to_string()])?;
    ensure!(finished.status.success(), "{} {}", finished.stderr, node.stderr.text()?);
    let diff = serde_json::from_str(&finished.stdout)
        .with_context(|| format!("not an answer: {}", finished.stdout))?;
    Ok(Answer::of(diff, &version()?))
}

fn version() -> Result<String> {
    let said = tool::run(&["--version"])?.stdout;
    // `memwatch-bpf VERSION`, then what it was built for.
    Ok(said.split_whitespace().nth(1).context("it has no version")?.to_owned())
}

//! Answers of the `heap` commands.

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

use crate::tool::{self, Finished};

/// Takes in tests of answers: the programs are idle, so that nothing has to stand still, and on a machine with much else to
/// do it may take long until all threads do.
pub const PAUSE: [&str; 2] = ["--pause", "none"];

/// Runs `heap` with `arguments` about `pid`.
pub fn ask(pid: u32, arguments: &[&str]) -> Result<Finished> {
    let pid = pid.to_string();
    tool::run(&[&["heap"], arguments, &["--pid", &pid], &PAUSE].concat())
}

/// The same with `--json`; an error if there is no answer.
pub fn json<T: DeserializeOwned>(pid: u32, arguments: &[&str]) -> Result<T> {
    let finished = ask(pid, &[arguments, &["--json"]].concat())?;
    finished.expect(0)?;
    serde_json::from_str(&finished.stdout).with_context(|| format!("not an answer: {}", finished.stdout))
}

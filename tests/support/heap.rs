//! Answers of the `heap` commands.

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

use crate::tool::{self, Finished};

/// How long a process may be stopped in tests: what is tested is the answer, on a machine with much else to do.
pub const PAUSE: [&str; 2] = ["--pause", "2s"];

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

//! `demo`: starts a small program that leaks, has it watched, and ends it.

mod closing;
mod error;
mod program;

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::Result;

pub use self::{closing::closing, error::DemoError, program::LeakyProgram};
use super::watch;
use crate::{
    cli::{
        args::{Explain, Switch},
        job::{Demo, ProfileFiles, Watch, Whom},
    },
    native::Mode,
};

/// Name that the program gives itself.
pub const NAME: &str = "leaky-checkout";

/// How often the program's memory is read.
const INTERVAL: Duration = Duration::from_secs(2);

/// Starts the program and watches it until it is caught. Returns the exit status of the watch.
pub fn run(job: &Demo) -> Result<u8> {
    let program = LeakyProgram::start(job.node.as_deref())?;
    let done = watch::run(&Watch {
        stacks: Switch::On,
        explain: Explain::Auto,
        profiles: ProfileFiles::default(),
        whom: Whom::Pids(vec![program.pid()]),
        children: false,
        duration: Some(job.duration),
        interval: INTERVAL,
        native: Mode::Off,
        budget_pct: 1.0,
        output: job.output,
        json_files: Vec::new(),
        verbose: 0,
        quiet: false,
        assume_missing: Vec::new(),
        until_leak: true,
    })?;
    drop(program);
    if !job.output.json && !done.is_unread {
        let mut out = io::stdout().lock();
        closing(done.verdict.as_ref()).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    Ok(done.status)
}

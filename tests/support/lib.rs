//! What tests and benches share: real Node releases, programs for them, and the tool as a child process.
//!
//! Everything that a test starts is ended by its `Drop`, by pid.

pub mod cgroup;
pub mod container;
pub mod fifo;
pub mod heap;
pub mod kernel;
pub mod machine;
pub mod native;
pub mod node;
pub mod proc;
pub mod releases;
pub mod scratch;
pub mod tail;
pub mod tool;
pub mod trace_gc;

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use anyhow::Result;

/// Root of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Whether everything is to be run (`MEMWATCH_FULL=1`): all releases, a hundred cycles.
#[must_use]
pub fn full() -> bool {
    env::var_os("MEMWATCH_FULL").is_some_and(|value| value == "1")
}

/// How long to wait for something that takes a minute at most, as a verdict of leak does. Emulated kernels run Node 30 times slower than the
/// machine they run on: `MEMWATCH_PATIENCE` is a factor.
#[must_use]
pub fn patience() -> Duration {
    let factor = env::var("MEMWATCH_PATIENCE").ok().and_then(|value| value.parse().ok()).unwrap_or(1);
    Duration::from_secs(120) * factor
}

/// Says past the test harness, which hides what passing tests print, that something could not be tested here.
pub fn skip(what: &str, why: &str) -> Result<()> {
    Ok(writeln!(io::stderr(), "\nskipped: {what}: {why}")?)
}

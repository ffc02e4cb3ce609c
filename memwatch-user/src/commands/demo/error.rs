//! Why the demo could not start.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why the demo could not start.
#[derive(Debug, Error)]
pub enum DemoError {
    /// There is no Node to run the program with.
    #[error("no node on PATH (sudo may have narrowed it): name one with --node PATH")]
    NoNode,
    /// It cannot be started.
    #[error("cannot start {}: {source}; name another Node with --node PATH", .node.display())]
    Start {
        /// What was to be started.
        node: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It ended, or did something else than running our program.
    #[error("{} did not run the demo's program: {complaint}; name another Node with --node PATH", .node.display())]
    NotReady {
        /// What was started.
        node: PathBuf,
        /// What it said.
        complaint: String,
    },
}

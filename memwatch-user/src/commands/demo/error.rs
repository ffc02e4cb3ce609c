//! Why the demo could not start.

use std::{io, path::PathBuf, time::Duration};

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
    #[error("{} did not run the demo's program: {why}; name another Node with --node PATH", .node.display())]
    NotReady {
        /// What was started.
        node: PathBuf,
        /// What it did instead.
        why: NotReady,
    },
}

/// What a program did instead of saying that it leaks.
#[derive(Debug, Error)]
pub enum NotReady {
    /// Its standard output or error is not ours.
    #[error("its output is not connected")]
    Unconnected,
    /// It said something else.
    #[error("{0}")]
    Complained(String),
    /// It said nothing.
    #[error("silent for {} s", .0.as_secs())]
    Silent(Duration),
}

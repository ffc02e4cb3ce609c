//! A take: the copy of a process's heap that a graph is made of, and how it was had.

mod copied;

use std::time::Duration;

use thiserror::Error;

pub use self::copied::{Copied, Page, Position};
use super::graph::{IsolateId, RootKind};
use crate::v8::heap_layout::HeapLayout;

/// How a take was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// All of it was copied while the process stood still.
    Stopped,
    /// Most of it was copied before; what had changed, while the process stood still.
    Precopied,
    /// The process ran on.
    Running,
}

/// For how long a process may be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Not at all.
    None,
    /// As long as this.
    AtMost(Duration),
}

/// An isolate of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isolate {
    /// Its address.
    pub address: u64,
    /// The address of its heap: that of [`Page::heap`].
    pub heap: u64,
    /// Bytes of its pages.
    pub bytes: u64,
}

/// Words that may be references to objects, in the order of where they were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootWords {
    /// What they are.
    pub kind: RootKind,
    /// Of which isolate; `None` of stacks.
    pub isolate: Option<IsolateId>,
    /// The words. Small integers and anything else are among them.
    pub words: Vec<u64>,
}

/// A take.
#[derive(Debug)]
pub struct Take {
    /// Of which process.
    pub pid: u32,
    /// How its objects are laid out.
    pub layout: HeapLayout,
    /// How it was had.
    pub how: How,
    /// For how long the process stood still.
    pub pause: Duration,
    /// Its isolates: the main thread's first.
    pub isolates: Vec<Isolate>,
    /// What holds objects from outside of the heap, in the order in which it is walked.
    pub roots: Vec<RootWords>,
    /// Its pages.
    pub copied: Copied,
}

/// Why no take was had.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TakeError {
    /// The heap of this process is not understood.
    #[error("{0}")]
    Unsupported(String),
}

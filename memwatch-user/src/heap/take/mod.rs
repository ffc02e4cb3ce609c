//! A take: the copy of a process's heap that a graph is made of, and how it was had.
//!
//! What has to be done inside of a pause is copying alone. Where the pages and isolates are is found before, and what the
//! words mean afterwards.

mod access;
mod build;
mod copied;
mod copying;
mod hot;
mod isolates;
mod mappings;
mod pages;
mod remote;
mod room;
mod roots;
mod stacks;
mod stop;
mod taker;
mod timed;

use std::time::Duration;

use thiserror::Error;

pub(crate) use self::room::available;
pub use self::{
    build::Build,
    copied::{Copied, Page, Position},
    taker::Taker,
};
use super::graph::{IsolateId, RootKind};
use crate::{plan::Unresolved, units, v8::heap_layout::HeapLayout};

/// How a take was had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// All of it was copied while the process stood still.
    Stopped,
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
    /// The thread that runs it, if that was found: the main thread's isolate has the process's own id.
    pub thread: Option<u32>,
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
    /// For how long the process stood still: also where a pause did not suffice, and it was taken while it ran after all.
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
    #[error("the heap of {path} cannot be read: {why}")]
    Unsupported {
        /// The file that holds its V8.
        path: String,
        /// What is not understood.
        why: Unresolved,
    },
    /// It has ended, or executes another program.
    #[error("process {pid} has ended or runs another program by now")]
    Gone {
        /// The process.
        pid: u32,
    },
    /// We may not read or stop it.
    #[error(
        "no permission to read the memory of process {pid}: run as root or with CAP_SYS_PTRACE (with \
         kernel.yama.ptrace_scope 0 the same user can, too)"
    )]
    Forbidden {
        /// The process.
        pid: u32,
    },
    /// Somebody else has it under ptrace.
    #[error(
        "process {pid} is being debugged by process {tracer}: end the debugger, or read the heap without a pause (--pause none)"
    )]
    Debugged {
        /// The process.
        pid: u32,
        /// The debugger.
        tracer: u32,
    },
    /// It was stopped by a signal.
    #[error("process {pid} is stopped: send it SIGCONT (kill -CONT {pid}) first")]
    IsStopped {
        /// The process.
        pid: u32,
    },
    /// One of its threads does not stop.
    #[error(
        "thread {tid} of process {pid} does not stop (it waits in the kernel): try again, or read the heap without a pause (--pause none)"
    )]
    NotStopping {
        /// The process.
        pid: u32,
        /// The thread.
        tid: u32,
    },
    /// There are no pages of V8, or no isolate that they belong to.
    #[error("process {pid} has no heap of V8 that is understood: {why}")]
    NoHeap {
        /// The process.
        pid: u32,
        /// What is missing.
        why: &'static str,
    },
    /// We have too little memory for the copy.
    #[error(
        "reading this heap takes up to {} of memory, and at most {} may be used for it",
        units::bytes(*needed),
        units::bytes(*available)
    )]
    TooLittleMemory {
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that there are.
        available: u64,
    },
}

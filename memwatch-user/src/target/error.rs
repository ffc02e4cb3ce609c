//! Why a process cannot be a target.

use std::io;

use thiserror::Error;

/// The largest pid there can be: the kernel's `PID_MAX_LIMIT` on 64 bits is one more.
pub(super) const MAX_PID: u32 = (1 << 22) - 1;

/// Why a process cannot be a target. Names in messages are fit to be shown.
#[derive(Debug, Error)]
pub enum TargetError {
    /// Not a pid at all.
    #[error("`{text}` is not a process id: give a number from 1 to {}", MAX_PID)]
    NotAPid {
        /// What was given.
        text: String,
    },
    /// Nothing there.
    #[error("there is no process {pid}")]
    NoProcess {
        /// The pid.
        pid: u32,
    },
    /// One thread of a process.
    #[error("{tid} is a thread of process {pid}: use --pid {pid}")]
    Thread {
        /// What was given.
        tid: u32,
        /// The process it belongs to.
        pid: u32,
    },
    /// It has ended, and its parent has not noticed.
    #[error("process {pid} ({comm}) has already ended: it is a zombie, waiting for its parent {parent}")]
    Zombie {
        /// The pid.
        pid: u32,
        /// Its name.
        comm: String,
        /// Who should reap it.
        parent: u32,
    },
    /// No program runs in it.
    #[error("process {pid} ({comm}) is a kernel thread, not a Node.js process")]
    KernelThread {
        /// The pid.
        pid: u32,
        /// Its name.
        comm: String,
    },
    /// We may not look.
    #[error("no permission to examine process {pid} ({comm}): run as root, or with {capability}")]
    Permission {
        /// The pid.
        pid: u32,
        /// Its name.
        comm: String,
        /// What it takes.
        capability: &'static str,
    },
    /// Not even root may look.
    #[error(
        "process {pid} ({comm}) is protected, also from root: by a security module, or by a user namespace or a container \
         runtime around us"
    )]
    Protected {
        /// The pid.
        pid: u32,
        /// Its name.
        comm: String,
    },
    /// Another program.
    #[error(
        "process {pid} ({comm}) is not a Node.js process: neither {exe} nor a libnode.so in it holds Node"
    )]
    NotNode {
        /// The pid.
        pid: u32,
        /// Its name.
        comm: String,
        /// Its program.
        exe: String,
    },
    /// Deno and others.
    #[error(
        "process {pid} ({comm}) is not a Node.js process: {exe} embeds V8 without Node and without V8's symbols, as Deno \
         does; there is nothing that could be probed"
    )]
    OtherEmbedder {
        /// The pid.
        pid: u32,
        /// Its name.
        comm: String,
        /// Its program.
        exe: String,
    },
    /// The library is not what is on disk any more, and the mapped one is out of reach.
    #[error(
        "process {pid} still runs {path}, which has been replaced on disk: opening the mapped file needs root or \
         CAP_CHECKPOINT_RESTORE; or restart the process"
    )]
    Replaced {
        /// The pid.
        pid: u32,
        /// The library.
        path: String,
    },
    /// The program's file is damaged or of another kind.
    #[error("cannot read {path} of process {pid}: {source}")]
    Elf {
        /// The pid.
        pid: u32,
        /// The file.
        path: String,
        /// What is wrong with it.
        source: super::elf::ElfError,
    },
    /// Anything else that reading /proc can come to.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
}

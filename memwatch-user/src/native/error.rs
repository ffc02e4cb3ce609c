//! Why the native memory of a process is not followed.

use std::io;

use crate::{
    bpf::{attach::AttachError, error::LoadError},
    plan::malloc::{MallocPlanError, MappersError},
};

/// Why the native memory of a process is not followed, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// Nobody wants it.
    #[error("not asked for (--native off)")]
    NotAskedFor,
    /// The kernel is too old.
    #[error("probes inside of malloc need Linux 5.15 or later")]
    NoCookies,
    /// Its mappings cannot be read.
    #[error("cannot read its mappings: {0}")]
    Mappings(#[source] io::Error),
    /// Its memory cannot be opened.
    #[error("its memory cannot be read: {0}")]
    Memory(#[source] io::Error),
    /// Its allocator cannot be probed.
    #[error(transparent)]
    Plan(#[from] MallocPlanError),
    /// Blocks of its allocator cannot be told freed from live.
    #[error("{allocator}: {why}; --native full follows every block")]
    NoMarks {
        /// The allocator.
        allocator: &'static str,
        /// What is missing.
        why: &'static str,
    },
    /// Its C library cannot be probed.
    #[error(transparent)]
    Mappers(#[from] MappersError),
    /// The kernel refused maps or programs, or they cannot be read any more.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The kernel refused probes.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// No thread.
    #[error("no thread can be started: {0}")]
    Thread(#[source] io::Error),
    /// The records of the kernel side cannot be waited for.
    #[error("cannot wait for the kernel side: {0}")]
    Wait(#[source] io::Error),
    /// So many follow every block already.
    #[error(
        "--native full follows at most {0} processes at once, as each takes 90 MB of the kernel's memory"
    )]
    TooMany(usize),
    /// A defect of ours.
    #[error("following it failed inside of memwatch-bpf, which is a defect of memwatch-bpf: {0}")]
    Panicked(String),
}

impl NativeError {
    /// Of what a thread panicked with.
    pub(super) fn panicked(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self::Panicked(text.unwrap_or_else(|| "no reason is given".to_owned()))
    }
}

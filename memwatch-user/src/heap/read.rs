//! Takes, until the graph of one is consistent.

use thiserror::Error;

use super::{
    graph::{Graph, GraphError},
    take::{Pause, TakeError},
};
use crate::target::Target;

/// Why a heap could not be read.
#[derive(Debug, Error)]
pub enum HeapError {
    /// No take was had.
    #[error(transparent)]
    Take(#[from] TakeError),
    /// No take was consistent.
    #[error("{source}: {attempts} takes failed, try again")]
    Graph {
        /// What was wrong with the last one.
        source: GraphError,
        /// How many there were.
        attempts: u32,
    },
}

/// What a reading is at, for who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The pages are found; reading them takes so many bytes of memory.
    Found {
        /// Bytes of pages.
        bytes: u64,
        /// Bytes that we are going to need.
        memory: u64,
    },
    /// The copy is done.
    Copied,
    /// The copy was not consistent: another one is made.
    Again,
}

/// The graph of the heap of `target`, which is stopped for as long as `pause` allows at most.
pub fn read(target: &Target, pause: Pause, progress: &mut dyn FnMut(Progress)) -> Result<Graph, HeapError> {
    let _unused = (target, pause, progress);
    Err(TakeError::Unsupported("not yet".to_owned()).into())
}

//! Takes, until the graph of one is consistent.

use thiserror::Error;

use super::{
    graph::{Graph, GraphError},
    take::{Build, Pause, TakeError, Taker},
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

/// Takes that are made before we give up: with the heap compacted all the time half of them are right.
const ATTEMPTS: u32 = 5;

/// The graph of the heap of `target`, which is stopped for as long as `pause` allows at most; an error where it would take more
/// than `most` bytes of memory.
pub fn read(
    target: &Target,
    pause: Pause,
    most: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<Graph, HeapError> {
    let build = Build::of(&target.image)?;
    let pid = target.process.id.pid;
    let mut last = GraphError::Empty;
    for _ in 0..ATTEMPTS {
        let take = Taker::new(pid, &build, most)?;
        progress(Progress::Found { bytes: take.bytes(), memory: take.memory() });
        let take = take.take(pause)?;
        progress(Progress::Copied);
        match Graph::new(take) {
            Ok(graph) => return Ok(graph),
            Err(error) => last = error,
        }
        progress(Progress::Again);
    }
    Err(HeapError::Graph { source: last, attempts: ATTEMPTS })
}

//! Birth and death of isolates.

use serde::{Deserialize, Serialize};

/// An isolate came, was first seen, or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolate {
    /// Serial number within the process, from 1.
    pub isolate: u32,
    /// `born` (we saw its heap being set up), `seen` (it existed before us) or `gone`.
    pub state: IsolateState,
    /// Id of its thread.
    pub thread: u32,
    /// Whether it belongs to a worker thread.
    pub worker: bool,
    /// Its heap's limit.
    pub heap_limit: Option<u64>,
}

/// See [`Isolate::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IsolateState {
    /// Its heap was set up while we watched.
    Born,
    /// It existed before we were attached; this is its first event.
    Seen,
    /// Its heap was torn down.
    Gone,
}

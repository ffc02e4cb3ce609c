//! The record of a take of a heap.

use serde::{Deserialize, Serialize};

/// What was reachable of the heap of an isolate when it was read: what a full collection would have left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heap {
    /// Which isolate.
    pub isolate: u32,
    /// How many objects.
    pub reachable_objects: u64,
    /// Their bytes. The process runs on while its heap is read, so that this may be a little too low.
    pub reachable_bytes: u64,
    /// Bytes outside of the heap that live as long as they do: of array buffers and external strings.
    pub external_bytes: u64,
}

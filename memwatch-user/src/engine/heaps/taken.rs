//! What a take of the heaps of a process tells its judges.

use std::collections::HashSet;

use crate::{heap::graph::Reachable, model::Mono};

/// A take of the heaps of a process.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// When it was had.
    pub(crate) at: Mono,
    /// What was reachable of each heap.
    pub(crate) reachable: Vec<Reachable>,
    /// Addresses of the objects that are followed and were reachable.
    pub(crate) alive: HashSet<u64>,
    /// Which share of the growth since the take before is held by places of the program's own that go on growing, 0 to 1; `None`
    /// before there are takes enough to tell.
    pub(crate) held_share: Option<f64>,
}

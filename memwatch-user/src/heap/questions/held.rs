//! What each object holds along the tree of shortest paths: itself and all that was first reached through it.

use crate::heap::graph::{HeapGraph, NodeId};

/// Bytes held, by node: in the heap and behind it.
#[derive(Debug)]
pub struct Held {
    bytes: Vec<u64>,
    total: u64,
}

impl Held {
    /// Sums up. A child has a higher number than its parent, so that one loop from the last node to the first is enough.
    #[must_use]
    pub fn new(graph: &impl HeapGraph) -> Self {
        let nodes = (0..graph.len()).map(NodeId);
        let own = |node| graph.shallow_bytes(node).saturating_add(graph.external_bytes(node));
        let mut bytes: Vec<u64> = nodes.clone().map(own).collect();
        for node in nodes.rev() {
            if let Some(parent) = graph.parent(node) {
                let held = bytes[node.0 as usize];
                let sum = &mut bytes[parent.0 as usize];
                *sum = sum.saturating_add(held);
            }
        }
        let total = bytes.iter().take(graph.roots().len()).sum();
        Self { bytes, total }
    }

    /// What `node` holds, itself included.
    #[must_use]
    pub fn of(&self, node: NodeId) -> u64 {
        self.bytes.get(node.0 as usize).copied().unwrap_or(0)
    }

    /// What everything is.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Which part of everything `bytes` are.
    #[must_use]
    pub fn share(&self, bytes: u64) -> f64 {
        if self.total == 0 { 0.0 } else { bytes as f64 / self.total as f64 }
    }
}

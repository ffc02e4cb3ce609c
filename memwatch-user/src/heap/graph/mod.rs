//! Objects of a heap, what each refers to, and by which shortest path each is held.
//!
//! The nodes are numbered in the order of a breadth-first walk from the roots, so that a parent always has a lower number
//! than its child: sums along the tree of shortest paths take one loop from the last node to the first.

mod kinds;
mod linear;
mod marks;
mod objects;
mod of_take;
mod walk;

pub use kinds::{Edge, EdgeKind, IsolateId, NodeId, Root, RootKind, ShapeId};
pub use objects::Shape;
pub use of_take::{Checks, Graph, GraphError, Reachable};

/// A graph of objects, wherever it came from: a process, a core, a file. What asks questions sees this much of it.
///
/// The first [`HeapGraph::roots`] nodes are no objects but groups of roots, with no bytes and no parent. Every other node
/// has a parent.
pub trait HeapGraph {
    /// Number of nodes, the groups of roots included.
    fn len(&self) -> u32;

    /// Whether there is no node.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The groups of roots: `roots()[n]` is node `n`.
    fn roots(&self) -> &[Root];

    /// What `node` was first reached from; `None` of a group of roots. Its number is lower than the node's.
    fn parent(&self, node: NodeId) -> Option<NodeId>;

    /// The slot of the parent that refers to `node`: the word of the object, or the number of the root within its group.
    fn slot(&self, node: NodeId) -> u32;

    /// What `node` shares with others of its kind: in V8 its map. Objects of different classes have different shapes.
    /// Groups of roots have shape 0, which no object has.
    fn shape(&self, node: NodeId) -> ShapeId;

    /// Number of shapes, shape 0 included.
    fn shapes(&self) -> u32;

    /// Where the object is; in a file, its id there. 0 of a group of roots.
    fn address(&self, node: NodeId) -> u64;

    /// Bytes of the object itself.
    fn shallow_bytes(&self, node: NodeId) -> u64;

    /// Bytes outside of the heap that live as long as the object: of an array buffer, of an external string.
    fn external_bytes(&self, node: NodeId) -> u64;

    /// The isolate that the object belongs to; `None` if several share it (objects that are read-only).
    fn isolate(&self, node: NodeId) -> Option<IsolateId>;

    /// Calls `visit` with each edge from `node` to a node of the graph, in the order of slots. The same child may come
    /// more than once.
    fn edges(&self, node: NodeId, visit: &mut dyn FnMut(Edge));
}

#[cfg(test)]
mod tests;

//! Objects by class.

use super::held::Held;
use crate::heap::{
    graph::{HeapGraph, NodeId},
    names::{ClassId, Names},
};

/// An object is left out of what its class holds if another one of the class holds it at most so many steps out: two tables
/// may lie between the nodes of a tree.
const NESTED: usize = 4;

/// Objects of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// How many.
    pub count: u64,
    /// Bytes of the objects themselves.
    pub shallow: u64,
    /// Bytes outside of the heap that are theirs.
    pub external: u64,
    /// What they hold along the tree of shortest paths, themselves included.
    pub held: u64,
}

/// What is in a heap.
#[derive(Debug)]
pub struct Histogram {
    /// By number of the class.
    rows: Vec<Row>,
    /// The class of each node.
    classes: Vec<ClassId>,
    /// All of it; `held` is heap and outside together.
    pub total: Row,
}

impl Histogram {
    /// Classes with what there is of them.
    pub fn rows(&self) -> impl Iterator<Item = (ClassId, Row)> {
        (0..).map(ClassId).zip(self.rows.iter().copied()).filter(|(_, row)| row.count > 0)
    }

    /// The class of a node.
    #[must_use]
    pub fn class_of(&self, node: NodeId) -> ClassId {
        self.classes[node.0 as usize]
    }
}

/// Counts.
pub fn histogram(graph: &impl HeapGraph, names: &mut impl Names, held: &Held) -> Histogram {
    let classes: Vec<ClassId> = (0..graph.len()).map(|node| names.class_of(NodeId(node))).collect();
    let mut rows = vec![Row::default(); names.classes()];
    let mut total = Row { held: held.total(), ..Row::default() };
    let first = u32::try_from(graph.roots().len()).unwrap_or(u32::MAX);
    for node in (first..graph.len()).map(NodeId) {
        let row = &mut rows[classes[node.0 as usize].0 as usize];
        let (shallow, external) = (graph.shallow_bytes(node), graph.external_bytes(node));
        for sum in [&mut *row, &mut total] {
            sum.count += 1;
            sum.shallow = sum.shallow.saturating_add(shallow);
            sum.external = sum.external.saturating_add(external);
        }
        if !is_nested(graph, &classes, node) {
            row.held = row.held.saturating_add(held.of(node)).min(held.total());
        }
    }
    Histogram { rows, classes, total }
}

fn is_nested(graph: &impl HeapGraph, classes: &[ClassId], node: NodeId) -> bool {
    let outer = std::iter::successors(graph.parent(node), |outer| graph.parent(*outer));
    outer.take(NESTED).any(|outer| classes[outer.0 as usize] == classes[node.0 as usize])
}

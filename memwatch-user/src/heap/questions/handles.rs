//! What native code holds: objects that nothing but handles keeps, so many of one class that these are a place by themselves.
//! A server that never ends its connections has them here: each socket is held by its own handle.

use std::{
    collections::{BTreeMap, HashMap},
    iter::successors,
};

use super::{held::Held, histogram::Histogram, spots::Spot};
use crate::heap::{
    graph::{HeapGraph, NodeId, RootKind},
    names::ClassId,
};

/// One object is a place of its own.
const LEAST_COUNT: u64 = 2;
/// Roots that native code makes for one object each.
const HANDLES: [RootKind; 2] = [RootKind::GlobalHandle, RootKind::HandleScope];

/// What handles hold of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) count: u64,
    pub(super) bytes: u64,
}

/// By group of roots and class what handles hold, without what is told of `spots`.
pub(super) fn groups(
    graph: &impl HeapGraph,
    held: &Held,
    histogram: &Histogram,
    spots: &[Spot],
) -> BTreeMap<(NodeId, ClassId), Group> {
    let told = told(graph, spots);
    let mut groups: BTreeMap<(NodeId, ClassId), Group> = BTreeMap::new();
    for (node, root) in of_handles(graph) {
        let rest = held.of(node).saturating_sub(told.get(&node).copied().unwrap_or(0));
        let group = groups.entry((root, histogram.class_of(node))).or_default();
        group.count += u64::from(rest > 0);
        group.bytes += rest;
    }
    groups.retain(|_, group| group.count >= LEAST_COUNT);
    groups
}

/// Objects right below handles, with the group of these.
fn of_handles(graph: &impl HeapGraph) -> impl Iterator<Item = (NodeId, NodeId)> {
    let is_handles =
        |root: NodeId| graph.roots().get(root.0 as usize).is_some_and(|root| HANDLES.contains(&root.kind));
    let with_root = move |node: NodeId| graph.parent(node).map(|root| (node, root));
    (0..graph.len()).map(NodeId).filter_map(with_root).filter(move |(_, root)| is_handles(*root))
}

/// What spots hold, by the object right below the roots through which it is reached.
fn told(graph: &impl HeapGraph, spots: &[Spot]) -> HashMap<NodeId, u64> {
    let is_root = |node: NodeId| (node.0 as usize) < graph.roots().len();
    let mut told = HashMap::new();
    for Spot { node, bytes, .. } in spots {
        let way = successors(Some(*node), |at| graph.parent(*at));
        if let Some(outermost) = way.take_while(|at| !is_root(*at)).last() {
            *told.entry(outermost).or_default() += bytes;
        }
    }
    told
}

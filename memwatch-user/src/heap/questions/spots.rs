//! Where in the tree of shortest paths much is held: objects that hold much while no child of theirs holds half of that, heads
//! of lists, and tables of many objects that are alike.

use std::{
    collections::{HashMap, HashSet},
    iter::successors,
};

use super::{held::Held, histogram::Histogram};
use crate::heap::{
    graph::{HeapGraph, NodeId},
    names::{ClassId, ClassKind, Names},
};

/// Links after which objects of the same class follow each other in a list.
const LONGEST_LINK: usize = 4;
/// Of so many objects that are alike and hold much each, their table is told, not all of them.
const MANY_ALIKE: u32 = 16;

/// An object that holds much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) node: NodeId,
    /// What it holds beyond those below it.
    pub(super) bytes: u64,
    /// Of the head of a list, how many links there are, but for those near the end that hold little.
    pub(super) links: Option<u64>,
}

/// Those that hold at least `least` bytes.
pub(super) fn find<G: HeapGraph>(
    graph: &G,
    held: &Held,
    histogram: &Histogram,
    names: &impl Names,
    least: u64,
) -> Vec<Spot> {
    let tree = Tree { graph, held, histogram, names };
    let heavy = Heavy::new(&tree, least);
    let spots = heavy.spots(&tree);
    let is_told = |spot: &Spot| !tree.outer(spot.node).any(|outer| heavy.alike.contains(&outer));
    if heavy.alike.is_empty() { spots } else { spots.into_iter().filter(is_told).collect() }
}

/// What is known of the objects.
struct Tree<'a, G, N> {
    graph: &'a G,
    held: &'a Held,
    histogram: &'a Histogram,
    names: &'a N,
}

impl<G: HeapGraph, N: Names> Tree<'_, G, N> {
    /// What holds `node`, the nearest first.
    fn outer(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        successors(self.graph.parent(node), |outer| self.graph.parent(*outer))
    }

    fn is_array(&self, node: NodeId) -> bool {
        self.names.class(self.histogram.class_of(node)).kind == ClassKind::Array
    }
}

/// Children of a node that hold much.
#[derive(Clone, Copy, Debug)]
struct Kin {
    heaviest: NodeId,
    /// The class of all of them; `None` if there are several.
    class: Option<ClassId>,
    count: u32,
    bytes: u64,
}

/// The nodes that hold much, with the heaviest child of each.
struct Heavy {
    nodes: Vec<NodeId>,
    heaviest: HashMap<NodeId, NodeId>,
    /// Tables of many objects that are alike.
    alike: HashSet<NodeId>,
    least: u64,
}

impl Heavy {
    fn new<G: HeapGraph, N: Names>(tree: &Tree<'_, G, N>, least: u64) -> Self {
        let Tree { graph, held, histogram, .. } = tree;
        let is_heavy = |node: &NodeId| held.of(*node) >= least;
        let mut kin: HashMap<NodeId, Kin> = HashMap::new();
        for node in (0..graph.len()).map(NodeId) {
            let Some(parent) = graph.parent(node).filter(is_heavy) else { continue };
            let class = Some(histogram.class_of(node));
            let of = kin.entry(parent).or_insert(Kin { heaviest: node, class, count: 0, bytes: 0 });
            if held.of(node) > held.of(of.heaviest) {
                of.heaviest = node;
            }
            if is_heavy(&node) {
                of.class = class.filter(|_| of.count == 0 || of.class == class);
                of.count += 1;
                of.bytes += held.of(node);
            }
        }
        let is_alike = |node: NodeId, kin: &Kin| {
            let most = held.of(node) / 2;
            let is_many = kin.count >= MANY_ALIKE && kin.class.is_some() && kin.bytes > most;
            is_many && held.of(kin.heaviest) < most && tree.is_array(node)
        };
        let alike = kin.iter().filter(|(node, kin)| is_alike(**node, kin)).map(|(node, _)| *node).collect();
        let heaviest = kin.into_iter().map(|(node, kin)| (node, kin.heaviest)).collect();
        Self { nodes: (0..graph.len()).map(NodeId).filter(is_heavy).collect(), heaviest, alike, least }
    }

    /// Nodes that no child has half of, leaving out what is below those that are told themselves; heads of lists, each link of
    /// which holds almost as much as the one before; and tables of what is alike, with all that is below.
    fn spots<G: HeapGraph, N: Names>(&self, tree: &Tree<'_, G, N>) -> Vec<Spot> {
        let Tree { graph, held, .. } = tree;
        let mut explained: HashMap<NodeId, u64> = HashMap::new();
        let mut largest: HashMap<NodeId, u64> = HashMap::new();
        let mut spots = Vec::new();
        for node in self.nodes.iter().rev().copied() {
            let is_alike = self.alike.contains(&node);
            let bytes = held.of(node);
            let below = explained.get(&node).copied().filter(|_| !is_alike).unwrap_or(0);
            let rest = bytes.saturating_sub(below);
            let child = largest.get(&node).copied().unwrap_or(0).max(self.light(held, node));
            let links = self.links(tree, node, below);
            let is_spread = rest >= self.least && child < rest.div_ceil(2);
            let is_spot = is_alike || is_spread || links.is_some();
            if is_spot {
                spots.push(Spot { node, bytes: rest, links });
            }
            if let Some(parent) = graph.parent(node) {
                *explained.entry(parent).or_default() += if is_spot { bytes } else { below };
                let largest = largest.entry(parent).or_default();
                *largest = (*largest).max(if is_spot { 0 } else { rest });
            }
        }
        spots
    }

    /// What the heaviest child of `node` holds, if that is little: of those that hold little nothing is explained.
    fn light(&self, held: &Held, node: NodeId) -> u64 {
        let heaviest = self.heaviest.get(&node).map_or(0, |child| held.of(*child));
        if heaviest < self.least { heaviest } else { 0 }
    }

    /// How many links a list has that begins at `node`, if one does: an object like it follows within a few links, none is
    /// before it, and what all of them hold is not explained by spots `below`.
    fn links<G: HeapGraph, N: Names>(&self, tree: &Tree<'_, G, N>, node: NodeId, below: u64) -> Option<u64> {
        if below > tree.held.of(node) / 2 {
            return None;
        }
        let class = tree.histogram.class_of(node);
        let is_like = |other: &NodeId| tree.histogram.class_of(*other) == class;
        let after = || successors(self.heaviest.get(&node), |next| self.heaviest.get(*next)).copied();
        let is_head = after().take(LONGEST_LINK).any(|next| is_like(&next))
            && !tree.outer(node).take(LONGEST_LINK).any(|outer| is_like(&outer));
        is_head.then(|| 1 + after().filter(is_like).count() as u64)
    }
}

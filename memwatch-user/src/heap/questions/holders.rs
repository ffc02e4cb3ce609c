//! The few places that hold most of a heap: objects that hold much while no child of theirs holds half of that. Along the
//! tree of shortest paths, so it needs no dominators; what is reached over two ways counts for the shorter one.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    iter::successors,
};

use super::{
    held::Held,
    histogram::Histogram,
    place::{self, Place},
};
use crate::heap::{
    graph::{HeapGraph, NodeId},
    names::{Class, ClassId, ClassKind, Names, Role},
};

/// A holder has at least this part of everything: 2 %.
const LEAST_PART: u64 = 50;
/// Links after which objects of the same class follow each other in a list.
const LONGEST_LINK: usize = 4;
/// Roots with more references than this are a leak of handles by themselves: Node itself has some hundred.
pub const MANY_HANDLES: u32 = 10_000;
/// Tables between an object and what is in it.
const MAX_TABLES: usize = 3;

/// A place that holds much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The object.
    pub node: NodeId,
    /// Bytes that it holds beyond what holders below it do.
    pub bytes: u64,
    /// How many objects of the class that makes up most of it are right in it.
    pub count: u64,
    /// That class; the holder's own if nothing is in it.
    pub class: ClassId,
    /// Where it is.
    pub place: Place,
    /// Whether it is a table of Node's or V8's own.
    pub is_own: bool,
}

/// All of them, largest first.
#[derive(Debug, Default)]
pub struct Holders {
    /// The program's.
    pub program: Vec<Holder>,
    /// Node's and V8's.
    pub own: Vec<Holder>,
}

/// What is known of a heap before its holders are looked for.
pub struct Known<'a, G> {
    /// Its objects.
    pub graph: &'a G,
    /// What each holds.
    pub held: &'a Held,
    /// The class of each.
    pub histogram: &'a Histogram,
}

/// Those with at least 2 % of everything.
pub fn holders<G: HeapGraph>(known: &Known<'_, G>, names: &mut impl Names) -> Holders {
    let least = known.held.total() / LEAST_PART;
    let (own, program) =
        of_at_least(known, names, least.max(1)).into_iter().partition(|holder| holder.is_own);
    Holders { program, own }
}

/// Those that hold at least `least` bytes, largest first.
pub(super) fn of_at_least<G: HeapGraph>(
    known: &Known<'_, G>,
    names: &mut impl Names,
    least: u64,
) -> Vec<Holder> {
    let mut owners: BTreeMap<NodeId, u64> = BTreeMap::new();
    for (node, bytes) in Heavy::new(known, least).places(known) {
        let Some(owner) = owner(known.graph, names, node) else { continue };
        let around = known.held.of(owner).saturating_sub(known.held.of(node));
        *owners.entry(owner).or_insert(around) += bytes;
    }
    let of = |(node, bytes): (NodeId, u64)| describe(known, names, node, bytes.min(known.held.of(node)));
    let mut holders: Vec<Holder> = owners.into_iter().map(of).collect();
    holders.sort_by_key(|holder| (Reverse(holder.bytes), holder.node));
    holders
}

/// The nodes that hold much, with the heaviest child of each.
struct Heavy {
    nodes: Vec<NodeId>,
    heaviest: HashMap<NodeId, NodeId>,
    least: u64,
}

impl Heavy {
    fn new<G: HeapGraph>(known: &Known<'_, G>, least: u64) -> Self {
        let Known { graph, held, .. } = known;
        let is_heavy = |node: &NodeId| held.of(*node) >= least;
        let mut heaviest: HashMap<NodeId, NodeId> = HashMap::new();
        for node in (0..graph.len()).map(NodeId) {
            let Some(parent) = graph.parent(node).filter(is_heavy) else { continue };
            let best = heaviest.entry(parent).or_insert(node);
            if held.of(node) > held.of(*best) {
                *best = node;
            }
        }
        Self { nodes: (0..graph.len()).map(NodeId).filter(is_heavy).collect(), heaviest, least }
    }

    /// Nodes that no child has half of, leaving out what is below places that are told themselves; and heads of lists, each
    /// link of which holds almost as much as the one before. With what each holds beyond places below it.
    fn places<G: HeapGraph>(&self, known: &Known<'_, G>) -> Vec<(NodeId, u64)> {
        let Known { graph, held, .. } = known;
        let mut explained: HashMap<NodeId, u64> = HashMap::new();
        let mut largest: HashMap<NodeId, u64> = HashMap::new();
        let mut places = Vec::new();
        for node in self.nodes.iter().rev().copied() {
            let (bytes, below) = (held.of(node), explained.get(&node).copied().unwrap_or(0));
            let rest = bytes.saturating_sub(below);
            // Of children that hold little nothing is explained.
            let heaviest = self.heaviest.get(&node).map_or(0, |child| held.of(*child));
            let light = if heaviest < self.least { heaviest } else { 0 };
            let child = largest.get(&node).copied().unwrap_or(0).max(light);
            let is_spread = rest >= self.least && child < rest.div_ceil(2);
            let is_place = is_spread || self.is_head(known, node, below);
            if is_place {
                places.push((node, rest));
            }
            if let Some(parent) = graph.parent(node) {
                *explained.entry(parent).or_default() += if is_place { bytes } else { below };
                let largest = largest.entry(parent).or_default();
                *largest = (*largest).max(if is_place { 0 } else { rest });
            }
        }
        places
    }

    /// Whether a list begins at `node`: an object like it follows within a few links, none is before it, and what all of
    /// them hold is not explained by places `below`.
    fn is_head<G: HeapGraph>(&self, known: &Known<'_, G>, node: NodeId, below: u64) -> bool {
        let Known { graph, held, histogram } = known;
        if below > held.of(node) / 2 {
            return false;
        }
        let class = histogram.class_of(node);
        let is_like = |other: NodeId| histogram.class_of(other) == class;
        let mut after = successors(self.heaviest.get(&node), |next| self.heaviest.get(*next)).copied();
        let mut before = successors(graph.parent(node), |outer| graph.parent(*outer));
        after.by_ref().take(LONGEST_LINK).any(is_like) && !before.by_ref().take(LONGEST_LINK).any(is_like)
    }
}

/// The object that has a name: what a table belongs to; `None` of a group of roots.
fn owner(graph: &impl HeapGraph, names: &mut impl Names, node: NodeId) -> Option<NodeId> {
    let mut at = node;
    for _ in 0..MAX_TABLES {
        match names.role(at) {
            Role::Root => return None,
            Role::Table => {}
            _ => return Some(at),
        }
        match graph.parent(at) {
            Some(outer) if names.role(outer) != Role::Root => at = outer,
            _ => return Some(at),
        }
    }
    Some(at)
}

fn describe<G: HeapGraph>(known: &Known<'_, G>, names: &mut impl Names, node: NodeId, bytes: u64) -> Holder {
    let (class, count) = contents(known, names, node).unwrap_or((known.histogram.class_of(node), 1));
    let place = place::place(names, node);
    let is_users = place.function.as_ref().is_some_and(|function| function.is_users);
    let is_code = matches!(names.class(class).kind, ClassKind::Code | ClassKind::System);
    let is_nodes = is_closure_of_node(names.class(class)) || names.role(node) == Role::Context;
    let is_own = place.is_own() || (is_code || is_nodes) && !is_users;
    Holder { node, bytes, count, class, place, is_own }
}

/// Whether it is a function of Node's or V8's own.
fn is_closure_of_node(class: &Class) -> bool {
    let is_own = class.shape.as_ref().is_none_or(|place| place.starts_with("node:"));
    class.kind == ClassKind::Closure && is_own
}

/// The class that makes up most of what is right in `node`, its tables looked through, and how many of it there are.
fn contents<G: HeapGraph>(
    known: &Known<'_, G>,
    names: &mut impl Names,
    node: NodeId,
) -> Option<(ClassId, u64)> {
    let mut sums: HashMap<ClassId, (u64, u64)> = HashMap::new();
    for child in children(known.graph, node) {
        let inside =
            if names.role(child) == Role::Table { children(known.graph, child) } else { vec![child] };
        for child in inside {
            let (count, bytes) = sums.entry(known.histogram.class_of(child)).or_default();
            *count += 1;
            *bytes += known.held.of(child);
        }
    }
    let most = sums.into_iter().max_by_key(|(class, (_, bytes))| (*bytes, *class));
    most.map(|(class, (count, _))| (class, count))
}

/// What was first reached from `node`, each once.
pub(super) fn children(graph: &impl HeapGraph, node: NodeId) -> Vec<NodeId> {
    let mut children = Vec::new();
    graph.edges(node, &mut |edge| {
        if graph.parent(edge.child) == Some(node) {
            children.push(edge.child);
        }
    });
    children.sort_unstable();
    children.dedup();
    children
}

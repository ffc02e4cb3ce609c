//! The few places that hold most of a heap, in words. Along the tree of shortest paths, so it needs no dominators; what is
//! reached over two ways counts for the shorter one.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use super::{
    handles::{self, Group},
    held::Held,
    histogram::Histogram,
    place::{self, Place},
    spots::{self, Spot},
};
use crate::heap::{
    graph::{HeapGraph, NodeId},
    names::{Class, ClassId, ClassKind, Names, Role},
};

/// A holder has at least this part of everything: 2 %.
const LEAST_PART: u64 = 50;
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
    let spots = spots::find(known.graph, known.held, known.histogram, names, least);
    let mut owners: BTreeMap<NodeId, (u64, Option<u64>)> = BTreeMap::new();
    for Spot { node, bytes, links } in spots.iter().copied() {
        let Some(owner) = owner(known.graph, names, node) else { continue };
        let around = known.held.of(owner).saturating_sub(known.held.of(node));
        let of_owner = owners.entry(owner).or_insert((around, links));
        of_owner.0 += bytes;
    }
    let of = |(node, (bytes, links)): (NodeId, (u64, Option<u64>))| {
        describe(known, names, Spot { node, bytes: bytes.min(known.held.of(node)), links })
    };
    let mut holders: Vec<Holder> = owners.into_iter().map(of).collect();
    let groups = handles::groups(known.graph, known.held, known.histogram, &spots);
    let groups = groups.into_iter().filter(|(_, group)| group.bytes >= least);
    holders.extend(groups.map(|((root, class), group)| of_handles(known, names, root, class, group)));
    holders.sort_by_key(|holder| (Reverse(holder.bytes), holder.node));
    holders
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

fn describe<G: HeapGraph>(known: &Known<'_, G>, names: &mut impl Names, spot: Spot) -> Holder {
    let Spot { node, bytes, links } = spot;
    let class = known.histogram.class_of(node);
    let list = links.map(|links| (class, links));
    let (class, count) = list.or_else(|| contents(known, names, node)).unwrap_or((class, 1));
    let place = place::place(names, node);
    let is_users = place.function.as_ref().is_some_and(|function| function.is_users);
    let is_code = matches!(names.class(class).kind, ClassKind::Code | ClassKind::System);
    let is_nodes = is_closure_of_node(names.class(class)) || names.role(node) == Role::Context;
    let is_own = place.is_own() || (is_code || is_nodes) && !is_users;
    Holder { node, bytes, count, class, place, is_own }
}

fn of_handles<G: HeapGraph>(
    known: &Known<'_, G>,
    names: &mut impl Names,
    root: NodeId,
    class: ClassId,
    group: Group,
) -> Holder {
    let of = names.class(class);
    let is_own = !matches!(of.kind, ClassKind::Object | ClassKind::Closure) || is_closure_of_node(of);
    let place = Place::of_handles(known.graph.roots()[root.0 as usize].kind, &of.full_name());
    Holder { node: root, bytes: group.bytes, count: group.count, class, place, is_own }
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

//! What there is unusually much of: timers, listeners, promises, sockets, contexts, strings that are there many times.

use std::{cmp::Reverse, collections::HashMap};

use super::{
    causes::instances,
    holders::{Known, children},
    place::{Place, described, place, scope},
};
use crate::heap::{
    graph::{HeapGraph, NodeId},
    names::{ClassKind, EdgeName, Names, Role},
};

/// Numbers from which something is told. Node warns of more than 10 listeners for one event; a server has some timers and
/// contexts for each connection.
const MANY_LISTENERS: u64 = 11;
const MANY: u64 = 1_000;
/// Bytes that equal strings waste from which they are told.
const MANY_BYTES: u64 = 64 * 1024;
/// Findings of one kind that are told.
const MOST: usize = 10;
/// Objects that are asked for their place, to name the one that most are in.
const ASKED: usize = 64;

/// Classes of Node's by what they are.
const CLASSES: &[(&str, FindingKind)] = &[
    ("Timeout", FindingKind::Timers),
    ("Immediate", FindingKind::Timers),
    ("Socket", FindingKind::Sockets),
    ("TLSSocket", FindingKind::Sockets),
    ("TCP", FindingKind::Sockets),
    ("Server", FindingKind::Sockets),
];

/// Of what there is much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// Timers that wait.
    Timers,
    /// Listeners of one event.
    Listeners,
    /// Promises that are pending.
    Promises,
    /// Sockets and what is under them.
    Sockets,
    /// Scopes of functions that closures keep.
    Contexts,
    /// Equal strings.
    Strings,
}

/// Something that there is much of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// Its class, or what else tells it apart.
    pub what: String,
    /// How many.
    pub count: u64,
    /// Bytes that they hold; of equal strings, those of all but one.
    pub bytes: u64,
    /// Where most of them are.
    pub place: Place,
}

/// All of it, by kind, the largest number first.
pub fn find<G: HeapGraph>(known: &Known<'_, G>, names: &mut impl Names) -> Vec<Finding> {
    let mut groups = Groups::default();
    for node in instances(known.graph, |_| true) {
        sort(known, names, node, &mut groups);
    }
    let mut findings = counted(known, names, groups.named);
    findings.extend(strings(known, names, groups.strings));
    findings.sort_by_key(|finding| (finding.kind, Reverse(finding.count)));
    findings
}

#[derive(Default)]
struct Groups {
    named: HashMap<(FindingKind, String), Vec<NodeId>>,
    strings: HashMap<(u64, u64), Vec<NodeId>>,
}

fn sort<G: HeapGraph>(known: &Known<'_, G>, names: &mut impl Names, node: NodeId, groups: &mut Groups) {
    let class = known.histogram.class_of(node);
    let info = names.class(class);
    let key = match info.kind {
        ClassKind::String => {
            if let Some(contents) = names.string(node) {
                groups.strings.entry(contents).or_default().push(node);
            }
            return;
        }
        ClassKind::Object => {
            let known = CLASSES.iter().find(|(name, _)| *name == info.name);
            known.map(|(name, kind)| (*kind, (*name).to_owned()))
        }
        _ => None,
    };
    let key = key.or_else(|| by_role(known, names, node));
    if let Some(key) = key {
        groups.named.entry(key).or_default().push(node);
    }
}

fn by_role<G: HeapGraph>(
    known: &Known<'_, G>,
    names: &mut impl Names,
    node: NodeId,
) -> Option<(FindingKind, String)> {
    let name = names.class(known.histogram.class_of(node)).name.clone();
    match name.as_str() {
        "Promise" if names.role(node) == Role::Promise(true) => {
            Some((FindingKind::Promises, "pending Promise".to_owned()))
        }
        "(context)" => {
            let function = scope(names, node)?;
            Some((FindingKind::Contexts, format!("scopes that closures of {} keep", described(&function))))
        }
        "Array" => listeners(names, node).map(|event| (FindingKind::Listeners, event)),
        _ => None,
    }
}

/// The event that the array `node` holds the listeners of: it is a property of what an emitter has as `_events`. With the
/// number of the node, as each emitter counts by itself.
fn listeners(names: &mut impl Names, node: NodeId) -> Option<String> {
    let step = names.step(node)?;
    let (EdgeName::Property(event) | EdgeName::Entry(Some(event))) = step.edge else { return None };
    let outer = names.step(step.holder)?;
    (outer.edge == EdgeName::Property("_events".to_owned())).then(|| format!("{event}\0{}", node.0))
}

fn counted<G: HeapGraph>(
    known: &Known<'_, G>,
    names: &mut impl Names,
    groups: HashMap<(FindingKind, String), Vec<NodeId>>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((kind, what), nodes) in groups {
        let (count, least) = match kind {
            FindingKind::Listeners => (elements(known, names, &nodes), MANY_LISTENERS),
            _ => (nodes.len() as u64, MANY),
        };
        if count < least {
            continue;
        }
        let bytes = nodes.iter().map(|node| known.held.of(*node)).fold(0, u64::saturating_add);
        let what = what.split('\0').next().unwrap_or_default().to_owned();
        let place =
            if kind == FindingKind::Listeners { place(names, nodes[0]) } else { usual(names, &nodes) };
        findings.push(Finding { kind, what, count, bytes: bytes.min(known.held.total()), place });
    }
    few(findings)
}

/// Listeners in arrays: closures, or what `once` wraps them in. The rest of an array's room holds none.
fn elements<G: HeapGraph>(known: &Known<'_, G>, names: &mut impl Names, arrays: &[NodeId]) -> u64 {
    let mut listeners: Vec<NodeId> = Vec::new();
    for array in arrays {
        let inside = children(known.graph, *array);
        for table in inside.into_iter().filter(|child| names.role(*child) == Role::Table) {
            known.graph.edges(table, &mut |edge| listeners.push(edge.child));
        }
    }
    let mut is_listener = |node: &NodeId| matches!(names.role(*node), Role::Closure | Role::Object);
    listeners.into_iter().filter(|node| is_listener(node)).count() as u64
}

fn strings<G: HeapGraph>(
    known: &Known<'_, G>,
    names: &mut impl Names,
    groups: HashMap<(u64, u64), Vec<NodeId>>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ((_, length), nodes) in groups.into_iter().filter(|(_, nodes)| nodes.len() > 1) {
        let own = |node: &NodeId| known.graph.shallow_bytes(*node) + known.graph.external_bytes(*node);
        let bytes: u64 = nodes.iter().skip(1).map(own).fold(0, u64::saturating_add);
        if bytes >= MANY_BYTES {
            let what = format!("equal strings of {length} characters");
            let (kind, count) = (FindingKind::Strings, nodes.len() as u64);
            findings.push(Finding { kind, what, count, bytes, place: usual(names, &nodes) });
        }
    }
    few(findings)
}

/// The largest of each kind.
fn few(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| Reverse((finding.bytes, finding.count)));
    let mut seen: HashMap<FindingKind, usize> = HashMap::new();
    findings.retain(|finding| {
        let seen = seen.entry(finding.kind).or_default();
        *seen += 1;
        *seen <= MOST
    });
    findings
}

/// Where most of `nodes` are.
fn usual(names: &mut impl Names, nodes: &[NodeId]) -> Place {
    let stride = nodes.len().div_ceil(ASKED).max(1);
    let mut places: HashMap<Place, usize> = HashMap::new();
    for node in nodes.iter().step_by(stride) {
        *places.entry(place(names, *node)).or_default() += 1;
    }
    let most = places.into_iter().max_by(|a, b| (a.1, &b.0).cmp(&(b.1, &a.0)));
    most.map_or_else(|| place(names, nodes[0]), |(place, _)| place)
}

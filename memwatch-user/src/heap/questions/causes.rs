//! Why objects are alive: the paths to them, generalised and counted, so that many objects have few causes.

use std::collections::HashMap;

use super::place::{described, user};
use crate::heap::{
    graph::{HeapGraph, NodeId},
    names::{EdgeName, Function, Names, Role, root_name},
};

/// Of more objects than this, one in so many is asked.
const MOST_ASKED: usize = 400_000;
/// Longer paths are cut.
const MAX_STEPS: usize = 16;
/// Steps of a whole path.
const MAX_WHOLE: usize = 200;
/// Causes that are kept; there are few, but for a program that makes names of contents.
const MAX_CAUSES: usize = 1_000;

/// Why some objects are alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// The path from them to what is known by name, outermost last.
    pub path: Vec<String>,
    /// How many objects.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// One of them.
    pub example: NodeId,
}

/// The objects of `graph` for which `is_wanted` holds.
pub fn instances(graph: &impl HeapGraph, is_wanted: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
    let first = u32::try_from(graph.roots().len()).unwrap_or(u32::MAX);
    (first..graph.len()).map(NodeId).filter(|node| is_wanted(*node)).collect()
}

/// Why `nodes` are alive, the most frequent cause first. Of very many, some are asked and stand for all.
pub fn causes(graph: &impl HeapGraph, names: &mut impl Names, nodes: &[NodeId]) -> Vec<Cause> {
    let stride = nodes.len().div_ceil(MOST_ASKED).max(1);
    let mut paths = Paths::default();
    let mut causes: HashMap<u32, Cause> = HashMap::new();
    for node in nodes.iter().copied().step_by(stride) {
        let number = paths.of(names, node);
        let (count, bytes) = (stride as u64, graph.shallow_bytes(node).saturating_mul(stride as u64));
        if let Some(known) = causes.get_mut(&number) {
            known.count += count;
            known.bytes = known.bytes.saturating_add(bytes);
        } else if causes.len() < MAX_CAUSES {
            causes.insert(number, Cause { path: paths.path(number), count, bytes, example: node });
        }
    }
    let mut causes: Vec<Cause> = causes.into_values().collect();
    causes.sort_by(|a, b| (b.count, &a.path).cmp(&(a.count, &b.path)));
    causes
}

/// Every step from `node` to a root, as it is.
pub fn full_path(names: &mut impl Names, node: NodeId) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    let mut at = node;
    while let Some(step) = names.step(at) {
        if path.len() >= MAX_WHOLE {
            path.push("…".to_owned());
            break;
        }
        path.push(text(names, step.holder, &step.edge, false));
        at = step.holder;
    }
    path.dedup();
    path
}

/// A step of a path in front of the rest of it.
type Link = (String, Option<u32>);

/// Paths, each a step and the number of the rest: what objects have in common is kept once.
#[derive(Default)]
struct Paths {
    links: Vec<Link>,
    numbers: HashMap<Link, u32>,
    of_nodes: HashMap<NodeId, u32>,
}

impl Paths {
    /// The number of the path from `node`.
    fn of(&mut self, names: &mut impl Names, node: NodeId) -> u32 {
        let mut steps = Vec::new();
        let (mut at, mut rest) = (node, None);
        while steps.len() < MAX_STEPS {
            rest = self.of_nodes.get(&at).copied();
            let Some(step) = names.step(at).filter(|_| rest.is_none()) else { break };
            steps.push((at, text(names, step.holder, &step.edge, true)));
            if is_last(names, step.holder, &step.edge) {
                break;
            }
            at = step.holder;
        }
        for (at, text) in steps.into_iter().rev() {
            let number = self.link(text, rest);
            self.of_nodes.insert(at, number);
            rest = Some(number);
        }
        rest.unwrap_or_else(|| self.link("a root".to_owned(), None))
    }

    /// The number of the path `text`, then `rest`. Repeats, the links of a list, are there once.
    fn link(&mut self, text: String, rest: Option<u32>) -> u32 {
        if let Some(rest) = rest.filter(|rest| self.links[*rest as usize].0 == text) {
            return rest;
        }
        let link = (text, rest);
        if let Some(known) = self.numbers.get(&link) {
            return *known;
        }
        let number = u32::try_from(self.links.len()).unwrap_or(u32::MAX);
        self.links.push(link.clone());
        self.numbers.insert(link, number);
        number
    }

    fn path(&self, number: u32) -> Vec<String> {
        let links = std::iter::successors(Some(number), |at| self.links[*at as usize].1);
        links.map(|at| self.links[at as usize].0.clone()).collect()
    }
}

/// Whether a step leads to something that is known by its name.
fn is_last(names: &mut impl Names, holder: NodeId, edge: &EdgeName) -> bool {
    match edge {
        EdgeName::Variable(_) | EdgeName::Global(_) | EdgeName::Root(_) | EdgeName::Local(_) => true,
        EdgeName::Property(_) => names.role(holder) == Role::Closure,
        _ => false,
    }
}

/// A step in words. What tells objects of one cause apart (indices, keys) is left out if `is_general`.
fn text(names: &mut impl Names, holder: NodeId, edge: &EdgeName, is_general: bool) -> String {
    match edge {
        EdgeName::Variable(name) => {
            format!("variable `{name}` of {}", or(user(names, holder, name).as_ref(), "a closure"))
        }
        EdgeName::Global(name) => format!("global `{name}`"),
        EdgeName::Root(kind) => root_name(*kind).to_owned(),
        EdgeName::Local(index) => {
            format!("local {index} of suspended {}", or(names.function(holder).as_ref(), "function"))
        }
        _ => {
            let edge = if is_general { general(edge) } else { exact(edge) };
            format!("{edge} of {}", holder_name(names, holder))
        }
    }
}

fn or(function: Option<&Function>, unknown: &str) -> String {
    function.map_or_else(|| unknown.to_owned(), described)
}

fn holder_name(names: &mut impl Names, holder: NodeId) -> String {
    if names.role(holder) == Role::Closure {
        return format!("closure {}", or(names.function(holder).as_ref(), "of an unknown function"));
    }
    let id = names.class_of(holder);
    names.class(id).full_name()
}

fn exact(edge: &EdgeName) -> String {
    match edge {
        EdgeName::Element(index) => format!("[{index}]"),
        EdgeName::Entry(Some(key)) => format!("[{key:?}]"),
        EdgeName::MapValue(Some(key)) => format!("value of {key:?}"),
        _ => general(edge),
    }
}

fn general(edge: &EdgeName) -> String {
    match edge {
        EdgeName::Property(name) => format!(".{name}"),
        EdgeName::Element(_) => "[n]".to_owned(),
        EdgeName::Entry(_) => "[key]".to_owned(),
        EdgeName::MapValue(_) => "value".to_owned(),
        EdgeName::MapKey => "key".to_owned(),
        EdgeName::SetElement => "element".to_owned(),
        EdgeName::WeakValue => "value (while its key lives)".to_owned(),
        EdgeName::Internal(name) => (*name).to_owned(),
        EdgeName::Variable(name) | EdgeName::Global(name) => name.clone(),
        EdgeName::Local(_) | EdgeName::Root(_) => String::new(),
    }
}

//! Graphs of heaps that are read by the library itself, and what is counted in them.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::Result;
use memwatch_user::{
    heap::{
        graph::{Graph, HeapGraph, NodeId},
        names::{ClassKind, How as HowNamed, LiveNames, Names},
        read::{self, HeapError},
        take::Pause,
    },
    target,
};

/// A pause that no take comes near, however busy the machine is.
pub(crate) const LONG: Pause = Pause::AtMost(Duration::from_secs(20));

/// Number and bytes.
pub(crate) type Count = (u64, u64);
/// By type of V8's heap snapshots and name.
pub(crate) type Counts = BTreeMap<String, BTreeMap<String, Count>>;

/// The graph of a process's heap.
pub(crate) fn taken(pid: u32, pause: Pause) -> Result<Graph> {
    Ok(read(pid, pause)?)
}

/// The same, with the reason if there is none.
pub(crate) fn read(pid: u32, pause: Pause) -> Result<Graph, HeapError> {
    let target = target::examine(pid).unwrap_or_else(|error| panic!("{error}"));
    read::read(&target, pause, u64::MAX, &mut |_| {})
}

/// What was read; `None` if the self-check refused it.
pub(crate) fn unless_torn(read: Result<Graph, HeapError>) -> Result<Option<Graph>> {
    match read {
        Ok(graph) => Ok(Some(graph)),
        Err(HeapError::Graph { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Its objects.
pub(crate) fn nodes(graph: &Graph) -> impl Iterator<Item = NodeId> {
    (u32::try_from(graph.roots().len()).unwrap_or(u32::MAX)..graph.len()).map(NodeId)
}

/// What is in a graph, as V8's snapshots have it.
pub(crate) fn counts(graph: &Graph) -> Counts {
    let how = HowNamed { layout: graph.layout().clone(), root: PathBuf::from("/"), keys: false };
    let mut names = LiveNames::new(graph, &graph.take().copied, how);
    let mut counts = Counts::new();
    for node in nodes(graph) {
        let class = names.class_of(node);
        let class = names.class(class).clone();
        let (kind, name) = match class.kind {
            ClassKind::Object => ("object", class.name),
            ClassKind::Closure => {
                ("closure", names.function(node).and_then(|it| it.name).unwrap_or_default())
            }
            _ => continue,
        };
        let count = counts.entry(kind.to_owned()).or_default().entry(name).or_default();
        count.0 += 1;
        count.1 += graph.shallow_bytes(node);
    }
    counts
}

/// Objects of a class that has this name in any isolate.
pub(crate) fn of_class(graph: &Graph, name: &str) -> Vec<NodeId> {
    let how = HowNamed { layout: graph.layout().clone(), root: PathBuf::from("/"), keys: false };
    let mut names = LiveNames::new(graph, &graph.take().copied, how);
    let mut is_it = |node: &NodeId| {
        let class = names.class_of(*node);
        let class = names.class(class);
        class.kind == ClassKind::Object && class.name == name
    };
    nodes(graph).filter(|node| is_it(node)).collect()
}

//! Why objects are alive.

use anyhow::{Result, bail};

use super::{
    reading::{self, Named, Picture},
    show, terms,
};
use crate::{
    cli::heap::{Heap, Wanted},
    heap::{
        graph::{Graph, HeapGraph, NodeId},
        names::{ClassId, ClassKind, Names},
        questions::{self, Known, causes, full_path, instances},
    },
    report::heap::record::{Cause, Paths},
    target::text::printable,
};

/// Classes that an error offers.
const OFFERED: usize = 5;

pub(super) fn run(job: &Heap, wanted: &Wanted) -> Result<()> {
    let picture = reading::take(job)?;
    let paths = picture.ask(job.keys, |known, names| paths(&picture, wanted, known, names))?;
    show::show(&paths, job.output)
}

fn paths(
    picture: &Picture,
    wanted: &Wanted,
    known: &Known<'_, Graph>,
    names: &mut Named<'_>,
) -> Result<Paths> {
    let (asked, nodes) = match wanted {
        Wanted::Class(name) => of_class(name, known, names)?,
        Wanted::Address(address) => at_address(*address, picture, known, names)?,
    };
    let found = causes(known.graph, names, &nodes);
    let path = found.first().map(|cause| full_path(names, cause.example)).unwrap_or_default();
    let bytes = |node: &NodeId| known.graph.shallow_bytes(*node);
    Ok(Paths {
        source: picture.source("heap-paths"),
        asked,
        count: nodes.len() as u64,
        bytes: nodes.iter().map(bytes).fold(0, u64::saturating_add),
        causes: found.into_iter().map(|one| cause(one, known, names)).collect(),
        path,
    })
}

fn cause(cause: questions::Cause, known: &Known<'_, Graph>, names: &Named<'_>) -> Cause {
    Cause {
        class: terms::full_name(names.class(known.histogram.class_of(cause.example))),
        path: cause.path,
        count: cause.count,
        bytes: cause.bytes,
        example: Some(format!("@{:x}", known.graph.address(cause.example))),
    }
}

/// The objects of the class that is called `name`, with or without what tells it from others of that name.
fn of_class(name: &str, known: &Known<'_, Graph>, names: &Named<'_>) -> Result<(String, Vec<NodeId>)> {
    let is_it = |id: ClassId| names.class(id).name == name || names.class(id).full_name() == name;
    let wanted: Vec<ClassId> = known.histogram.rows().map(|(id, _)| id).filter(|id| is_it(*id)).collect();
    if wanted.is_empty() {
        bail!(
            "there is no {} in this heap; what it has most of: {}",
            printable(name.as_bytes()),
            most(known, names)
        );
    }
    let nodes = instances(known.graph, |node| wanted.contains(&known.histogram.class_of(node)));
    Ok((printable(name.as_bytes()), nodes))
}

fn most(known: &Known<'_, Graph>, names: &Named<'_>) -> String {
    let mut rows: Vec<_> =
        known.histogram.rows().filter(|(id, _)| names.class(*id).kind == ClassKind::Object).collect();
    rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.shallow));
    let names: Vec<&str> = rows.iter().take(OFFERED).map(|(id, _)| names.class(*id).name.as_str()).collect();
    names.join(", ")
}

/// The object at `address`. Objects move, so that an address of an earlier answer may be another's, or nobody's.
fn at_address(
    address: u64,
    picture: &Picture,
    known: &Known<'_, Graph>,
    names: &Named<'_>,
) -> Result<(String, Vec<NodeId>)> {
    let nodes = (picture.objects_from()..known.graph.len()).map(NodeId);
    let Some(node) = nodes.into_iter().find(|node| known.graph.address(*node) == address) else {
        bail!("no object is at @{address:x}: it was freed or moved since; ask for its class instead");
    };
    let class = names.class(known.histogram.class_of(node)).full_name();
    Ok((format!("{class} @{address:x}"), vec![node]))
}

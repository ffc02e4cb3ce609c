//! What is in a heap, and who holds it.

use anyhow::Result;

use super::{
    reading::{self, Named, Picture},
    show, terms,
};
use crate::{
    cli::heap::Heap,
    heap::{
        graph::{Graph, HeapGraph, Root as RootGroup},
        names::{Names, root_name},
        questions::{self, Code, Known, MANY_HANDLES, full_path},
    },
    report::heap::record::{Class, Holder, Root, Summary, Totals},
};

pub(super) fn run(job: &Heap, internal: bool) -> Result<()> {
    let picture = reading::take(job)?;
    let mut summary = picture.ask(job.keys, |known, names| Ok(summary(&picture, known, names)))?;
    summary.internal = internal;
    show::show(&summary, job.output)
}

fn summary(picture: &Picture, known: &Known<'_, Graph>, names: &mut Named<'_>) -> Summary {
    let total = known.histogram.total;
    let found = questions::holders(known, names);
    let holders = found.program.iter().chain(&found.own).map(|one| holder(known, names, one)).collect();
    Summary {
        source: picture.source("heap"),
        internal: false,
        totals: Totals {
            objects: total.count,
            shallow_bytes: total.shallow,
            garbage_bytes: Some(picture.graph.checks().garbage_bytes),
            external_bytes: total.external,
        },
        holders,
        classes: classes(known, names),
        roots: picture.graph.roots().iter().map(root).collect(),
    }
}

fn holder(known: &Known<'_, Graph>, names: &mut Named<'_>, holder: &questions::Holder) -> Holder {
    let Code { function, file, line } = holder.place.code();
    Holder {
        share: known.held.share(holder.bytes),
        bytes: holder.bytes,
        count: holder.count,
        class: terms::full_name(names.class(holder.class)),
        place: holder.place.to_string(),
        path: full_path(names, holder.node),
        function,
        file,
        line,
        own: holder.is_own,
    }
}

fn classes(known: &Known<'_, Graph>, names: &Named<'_>) -> Vec<Class> {
    let class = |(id, row): (_, questions::Row)| {
        let class = names.class(id);
        Class {
            name: class.name.clone(),
            shape: class.shape.clone(),
            kind: terms::kind(class.kind),
            count: row.count,
            shallow_bytes: row.shallow,
            external_bytes: row.external,
            held_bytes: row.held,
        }
    };
    let mut classes: Vec<Class> = known.histogram.rows().map(class).collect();
    let own = |class: &Class| class.shallow_bytes.saturating_add(class.external_bytes);
    classes.sort_by(|a, b| (own(b), &a.name, &a.shape).cmp(&(own(a), &b.name, &b.shape)));
    classes
}

fn root(root: &RootGroup) -> Root {
    Root {
        name: root_name(root.kind).to_owned(),
        isolate: root.isolate.map(|isolate| isolate.0),
        edges: root.edges,
        many: root.edges >= MANY_HANDLES,
    }
}

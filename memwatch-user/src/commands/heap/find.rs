//! What there is unusually much of.

use anyhow::Result;

use super::{reading, show};
use crate::{
    cli::heap::Heap,
    heap::questions::{self, FindingKind},
    report::heap::record::{Finding, Findings},
};

pub(super) fn run(job: &Heap) -> Result<()> {
    let picture = reading::take(job)?;
    let found = picture.ask(job.keys, |known, names| Ok(questions::find(known, names)))?;
    let findings = found.into_iter().map(finding).collect();
    show::show(&Findings { source: picture.source("heap-find"), findings }, job.output)
}

fn finding(found: questions::Finding) -> Finding {
    Finding {
        name: name(found.kind).to_owned(),
        what: found.what,
        count: found.count,
        bytes: found.bytes,
        place: found.place.to_string(),
    }
}

fn name(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Timers => "timers",
        FindingKind::Listeners => "listeners",
        FindingKind::Promises => "promises",
        FindingKind::Sockets => "sockets",
        FindingKind::Contexts => "contexts",
        FindingKind::Strings => "strings",
    }
}

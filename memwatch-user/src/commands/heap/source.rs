//! Where an answer about a heap comes from: which process, how it was taken, what the self-check counted.

use crate::{
    heap::{graph::Graph, take::How},
    report::{
        heap::record::{Checked, Isolates, Source, Taken},
        record::SCHEMA,
    },
    target::{Target, text::printable},
    v8::version,
};

/// Characters of a command line that are shown.
const TITLE: usize = 60;

/// Where an answer comes from.
pub(super) fn of(graph: &Graph, target: &Target, kind: &str) -> Source {
    let take = graph.take();
    let checks = graph.checks();
    let explained = checks.explained_bytes as f64 / checks.walked_bytes.max(1) as f64;
    Source {
        schema: SCHEMA,
        kind: kind.to_owned(),
        pid: take.pid,
        title: title(target),
        node_version: node_version(target),
        isolate: isolates(take.isolates.len()),
        taken: taken(take.how),
        pause_us: u64::try_from(take.pause.as_micros()).unwrap_or(u64::MAX),
        checked: Checked {
            bad_slots: checks.bad_slots,
            forwarded: checks.forwarded,
            explained: (checks.walked_bytes > 0).then_some(explained),
        },
    }
}

fn isolates(count: usize) -> Isolates {
    match u16::try_from(count).unwrap_or(u16::MAX) {
        0 | 1 => Isolates::One(0),
        many => Isolates::Many((0..many).collect()),
    }
}

fn taken(how: How) -> Taken {
    match how {
        How::Stopped => Taken::Stopped,
        How::Running => Taken::Running,
    }
}

/// Program and arguments, cut; programs by the last part of their path.
fn title(target: &Target) -> String {
    let process = &target.process;
    let short = |argument: &String| argument.rsplit('/').next().unwrap_or(argument).to_owned();
    let words: Vec<String> = process.cmdline.iter().take(4).map(short).collect();
    let line = if words.is_empty() { process.comm.clone() } else { words.join(" ") };
    printable(line.as_bytes()).chars().take(TITLE).collect()
}

fn node_version(target: &Target) -> Option<String> {
    let elf = &target.image.elf;
    let range = elf.read_only_data().ok()??;
    version::find(range, |offset, to| elf.read(offset, to)).ok()?.node
}

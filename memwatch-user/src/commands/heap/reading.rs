//! Reading a heap, and what is asked of every one: its names, what is held, its classes.

use std::{cell::RefCell, path::PathBuf, time::Instant};

use anyhow::{Context, Result};

use super::{show::Waiting, source};
use crate::{
    cli::heap::Heap,
    heap::{
        graph::{Graph, HeapGraph},
        memory::{Memory, ProcessMemory},
        names::{How, LiveNames},
        questions::{Held, Histogram, Known, histogram},
        read::{self, Progress},
        take::{Copied, Pause},
    },
    report::heap::record::Source,
    target::{self, Target},
    units,
};

/// A picture of the heap of a process.
pub(super) struct Picture {
    pub(super) graph: Graph,
    target: Target,
    process: Option<ProcessMemory>,
    /// When it was had.
    pub(super) at: Instant,
}

/// The copy of a heap, and behind it the process: what is outside of its pages (the text of Node's own scripts) does not
/// change.
pub(super) struct Behind<'a> {
    copied: &'a Copied,
    process: Option<&'a ProcessMemory>,
}

impl Memory for Behind<'_> {
    fn read(&self, address: u64, to: &mut [u8]) -> bool {
        self.copied.read(address, to) || self.process.is_some_and(|process| process.read(address, to))
    }

    fn word(&self, address: u64) -> Option<u64> {
        self.copied.word(address).or_else(|| self.process?.word(address))
    }
}

/// Names of the objects of a picture.
pub(super) type Named<'a> = LiveNames<'a, Graph, Behind<'a>>;

/// Takes a picture.
pub(super) fn take(job: &Heap) -> Result<Picture> {
    let target = target::examine(job.pid)?;
    let pause = job.pause.map_or(Pause::None, Pause::AtMost);
    let waiting = RefCell::new(Waiting::start("looking for the heap's pages"));
    let graph = read::read(&target, pause, &mut |progress| waiting.borrow_mut().say(&phrase(progress)))
        .with_context(|| format!("the heap of process {} cannot be read", job.pid))?;
    let process = ProcessMemory::open(job.pid).ok();
    Ok(Picture { graph, target, process, at: Instant::now() })
}

fn phrase(progress: Progress) -> String {
    match progress {
        Progress::Found { bytes, memory } => format!(
            "copying {} of pages, which takes {} of memory",
            units::bytes(bytes),
            units::bytes(memory)
        ),
        Progress::Copied => "following references".to_owned(),
        Progress::Again => "the copy was torn: copying again".to_owned(),
    }
}

impl Picture {
    /// Has `ask` find an answer, with names, classes and what is held at hand.
    pub(super) fn ask<T>(
        &self,
        keys: bool,
        ask: impl FnOnce(&Known<'_, Graph>, &mut Named<'_>) -> Result<T>,
    ) -> Result<T> {
        let _waiting = Waiting::start("counting objects");
        let memory = Behind { copied: &self.graph.take().copied, process: self.process.as_ref() };
        let root = PathBuf::from(format!("/proc/{}/root", self.graph.take().pid));
        let how = How { layout: self.graph.layout().clone(), root, keys };
        let mut names = LiveNames::new(&self.graph, &memory, how);
        let held = Held::new(&self.graph);
        let histogram: Histogram = histogram(&self.graph, &mut names, &held);
        ask(&Known { graph: &self.graph, held: &held, histogram: &histogram }, &mut names)
    }

    /// Where an answer comes from.
    pub(super) fn source(&self, kind: &str) -> Source {
        source::of(&self.graph, &self.target, kind)
    }

    /// How many groups of roots there are: nodes behind them are objects.
    pub(super) fn objects_from(&self) -> u32 {
        u32::try_from(self.graph.roots().len()).unwrap_or(u32::MAX)
    }
}

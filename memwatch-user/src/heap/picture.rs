//! A picture of a heap: its graph, and what it takes to name what is in it.

use std::{path::PathBuf, time::Instant};

use super::{
    graph::{Graph, HeapGraph},
    memory::{Memory, ProcessMemory},
    names::{How, LiveNames},
    questions::{Held, Histogram, Known, histogram},
    read::{self, HeapError, Progress},
    take::{Copied, Pause},
};
use crate::target::Target;

/// A picture of the heap of a process.
#[derive(Debug)]
pub struct Picture {
    /// Its objects.
    pub graph: Graph,
    /// When it was had.
    pub at: Instant,
    process: Option<ProcessMemory>,
}

/// The copy of a heap, and behind it the process: what is outside of its pages (the text of Node's own scripts) does not
/// change.
#[derive(Debug)]
pub struct Behind<'a> {
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
pub type Named<'a> = LiveNames<'a, Graph, Behind<'a>>;

impl Picture {
    /// Takes one of `target`, which is stopped for as long as `pause` allows at most; an error where it would take more than
    /// `most` bytes of memory, or more than there are.
    pub fn take(
        target: &Target,
        pause: Pause,
        most: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, HeapError> {
        let graph = read::read(target, pause, most, progress)?;
        let process = ProcessMemory::open(target.process.id.pid).ok();
        Ok(Self { graph, at: Instant::now(), process })
    }

    /// Has `ask` find an answer, with names, classes and what is held at hand. `keys`: whether keys may be part of it.
    pub fn ask<T>(&self, keys: bool, ask: impl FnOnce(&Known<'_, Graph>, &mut Named<'_>) -> T) -> T {
        let memory = Behind { copied: &self.graph.take().copied, process: self.process.as_ref() };
        let root = PathBuf::from(format!("/proc/{}/root", self.graph.take().pid));
        let how = How { layout: self.graph.layout().clone(), root, keys };
        let mut names = LiveNames::new(&self.graph, &memory, how);
        let held = Held::new(&self.graph);
        let histogram: Histogram = histogram(&self.graph, &mut names, &held);
        ask(&Known { graph: &self.graph, held: &held, histogram: &histogram }, &mut names)
    }

    /// How many groups of roots there are: nodes behind them are objects.
    #[must_use]
    pub fn objects_from(&self) -> u32 {
        u32::try_from(self.graph.roots().len()).unwrap_or(u32::MAX)
    }
}

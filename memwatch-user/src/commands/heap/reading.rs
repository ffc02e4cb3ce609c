//! Reading a heap while somebody waits.

use std::{cell::RefCell, ops::Deref};

use anyhow::{Context, Result};

use super::{show::Waiting, source};
pub(super) use crate::heap::picture::Named;
use crate::{
    cli::heap::Heap,
    heap::{self, graph::Graph, questions::Known, read::Progress, take::Pause},
    report::heap::record::Source,
    target::{self, Target},
    units,
};

/// A picture of the heap of a process.
pub(super) struct Picture {
    picture: heap::picture::Picture,
    target: Target,
}

impl Deref for Picture {
    type Target = heap::picture::Picture;

    fn deref(&self) -> &Self::Target {
        &self.picture
    }
}

/// Takes a picture.
pub(super) fn take(job: &Heap) -> Result<Picture> {
    let target = target::examine(job.pid)?;
    let pause = job.pause.map_or(Pause::None, Pause::AtMost);
    let waiting = RefCell::new(Waiting::start("looking for the heap's pages"));
    let mut progress = |progress| waiting.borrow_mut().say(&phrase(progress));
    let picture = heap::picture::Picture::take(&target, pause, u64::MAX, &mut progress)
        .with_context(|| format!("the heap of process {} cannot be read", job.pid))?;
    Ok(Picture { picture, target })
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
        self.picture.ask(keys, ask)
    }

    /// Where an answer comes from.
    pub(super) fn source(&self, kind: &str) -> Source {
        source::of(&self.graph, &self.target, kind)
    }
}

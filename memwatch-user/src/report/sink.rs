//! What takes records: the one interface of everything that shows or keeps them.

use std::{io, time::Duration};

use super::record::Record;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// The user asked to quit.
    Quit,
}

/// Somewhere that records go. A sink runs on a thread of its own and may block (`fanout`).
///
/// An error of kind [`io::ErrorKind::BrokenPipe`] says that nobody reads any more (`memwatch-bpf … | head`).
pub trait Sink {
    /// Takes the next record.
    fn record(&mut self, record: &Record) -> io::Result<()>;

    /// Everything is written once this returns; no record follows.
    fn finish(&mut self) -> io::Result<()>;

    /// How often [`Sink::tick`] is to be called while there are no records; `None` for never.
    fn period(&self) -> Option<Duration> {
        None
    }

    /// What the sink does without records: it draws, or it reads keys.
    fn tick(&mut self) -> io::Result<Flow> {
        Ok(Flow::Continue)
    }
}

//! One sink on a thread of its own.

use std::{io, sync::Arc, thread};

use tokio::sync::Notify;

use super::{
    queue::{Next, Queue, Stage},
    trouble::Trouble,
};
use crate::report::{
    record::{Body, Record},
    sink::{Flow, Sink},
};

/// The record that a sink was writing when it could not go on.
const IN_HAND: u64 = 1;

/// A sink with its queue. Its thread ends with the queue; one that is blocked for good ends with the process.
#[derive(Debug)]
pub(super) struct Outlet {
    /// What users know it by.
    name: String,
    pub(super) queue: Arc<Queue>,
    /// Whether the user knows that it failed.
    is_told: bool,
}

impl Outlet {
    /// Has `sink` take records on a thread of its own. `news` is notified when its stage changes.
    pub(super) fn start(name: String, sink: Box<dyn Sink + Send>, news: Arc<Notify>) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let work = Work { name: name.clone(), sink, queue: Arc::clone(&queue), news };
        thread::Builder::new().name("sink".to_owned()).spawn(move || work.run())?;
        Ok(Self { name, queue, is_told: false })
    }

    /// That it failed, once.
    pub(super) fn new_failure(&mut self) -> Option<Trouble> {
        let failure = self.failure().filter(|_| !self.is_told);
        self.is_told |= failure.is_some();
        failure
    }

    /// Whether it takes no more records.
    pub(super) fn has_failed(&self) -> bool {
        self.failure().is_some()
    }

    /// Whether it failed because nobody reads what it writes.
    pub(super) fn is_broken(&self) -> bool {
        let is_broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        self.queue.ask(|stage, _| matches!(stage, Stage::Failed(error) if is_broken(error)))
    }

    /// At the end: why what it wrote is not the whole report.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        let output = self.name.clone();
        let waiting = self.queue.waiting() as u64;
        self.queue.ask(|stage, missed| match stage {
            Stage::Finished if missed.records == 0 => None,
            Stage::Finished => Some(Trouble::Slow { output, missing: missed.records }),
            Stage::Failed(_) if self.is_told => {
                Some(Trouble::Incomplete { output, missing: missed.records + waiting + IN_HAND })
            }
            Stage::Failed(error) => Some(Trouble::Failed { output, why: error.to_string() }),
            Stage::Runs | Stage::WantsToQuit => {
                Some(Trouble::Unread { output, missing: missed.records + waiting + IN_HAND })
            }
        })
    }

    fn failure(&self) -> Option<Trouble> {
        self.queue.ask(|stage, _| match stage {
            Stage::Failed(error) => {
                Some(Trouble::Failed { output: self.name.clone(), why: error.to_string() })
            }
            _ => None,
        })
    }
}

/// What the thread does.
struct Work {
    name: String,
    sink: Box<dyn Sink + Send>,
    queue: Arc<Queue>,
    news: Arc<Notify>,
}

/// A thread that panics has failed like one that could not write.
impl Drop for Work {
    fn drop(&mut self) {
        if thread::panicking() {
            self.is_at(Stage::Failed(io::Error::other("a defect of this program, see above")));
        }
    }
}

impl Work {
    fn run(mut self) {
        let stage = match self.serve() {
            Ok(()) => Stage::Finished,
            Err(error) => Stage::Failed(error),
        };
        self.is_at(stage);
    }

    fn is_at(&self, stage: Stage) {
        self.queue.set_stage(stage);
        self.news.notify_one();
    }

    fn serve(&mut self) -> io::Result<()> {
        let period = self.sink.period();
        loop {
            match self.queue.next(period) {
                Next::Record(record) => self.record(&record)?,
                Next::Nothing => {}
                Next::End => return self.sink.finish(),
            }
            if period.is_some() && self.sink.tick()? == Flow::Quit {
                self.is_at(Stage::WantsToQuit);
            }
        }
    }

    /// What was left out is told right before the last record.
    fn record(&mut self, record: &Record) -> io::Result<()> {
        if matches!(record.body, Body::Bye(_))
            && let Some(body) = self.queue.ask(|_, missed| missed.body(&self.name))
        {
            self.sink.record(&Record { subject: None, body, ..record.clone() })?;
        }
        self.sink.record(record)
    }
}

//! Where the records go, what becomes of the outputs, and what the records mean for the exit status.

use anyhow::Result;

use super::{events::Input, out_file::OutFile, sinks, stop::Stop};
use crate::{
    cli::{job::Watch, log},
    report::{
        exit_status::{Job, Outcome},
        fanout::{Fanout, News, Trouble},
        live::leave_raw_mode,
        record::{Body, Kind, Level, Record, Verdict},
    },
};

/// Where the records go.
pub(super) struct Output {
    sinks: Fanout,
    /// The terminal is the live view's: what there is to say on standard error waits until it has been given back.
    is_live: bool,
    troubles: Vec<Trouble>,
    outcome: Outcome,
    /// The last one on a JavaScript heap, whoever's: the demo waits for it to be `leak`.
    heap_verdict: Option<Verdict>,
}

/// How the reports ended.
pub(super) struct Reported {
    /// Whether each could be written.
    pub(super) job: Job,
    /// Whether one was not read to its end.
    pub(super) is_unread: bool,
}

impl Output {
    /// Opens it. `json`: the files of that option.
    pub(super) fn open(watch: &Watch, json: Vec<OutFile>) -> Result<Self> {
        let is_live = sinks::is_live(watch);
        let sinks = sinks::open(watch, json)?;
        Ok(Self { sinks, is_live, troubles: Vec::new(), outcome: Outcome::default(), heap_verdict: None })
    }

    /// Hands records on. Never waits.
    pub(super) fn records(&mut self, records: &[Record]) {
        for record in records {
            self.outcome.record(record);
            self.note_verdict(record);
            self.sinks.send(record);
        }
    }

    /// Waits until a sink wants to stop us: for a key, or because nobody is left who reads.
    pub(super) async fn wants(&mut self) -> Input {
        loop {
            match self.sinks.news().await {
                News::Quit => return Input::Stop(Stop::Quit),
                News::NobodyReads => return Input::Stop(Stop::OutputClosed),
                News::Failed(trouble) => self.has(trouble),
            }
            if self.sinks.is_dead() {
                return Input::Stop(Stop::OutputClosed);
            }
        }
    }

    /// Ends the sinks, and says which reports are not whole.
    pub(super) fn finish(&mut self) -> Reported {
        for trouble in self.sinks.finish() {
            self.has(trouble);
        }
        let is_unread = self.troubles.iter().any(|trouble| matches!(trouble, Trouble::Unread { .. }));
        if self.is_live && is_unread {
            leave_raw_mode();
        }
        if self.is_live {
            self.troubles.iter().for_each(tell);
        }
        let has_failed = self.troubles.iter().any(|trouble| matches!(trouble, Trouble::Failed { .. }));
        Reported { job: if has_failed { Job::Failed } else { Job::Done }, is_unread }
    }

    fn note_verdict(&mut self, record: &Record) {
        if let Body::Verdict(verdict) = &record.body
            && verdict.kind == Kind::JsHeap
        {
            self.heap_verdict = Some((**verdict).clone());
        }
    }

    /// Whether the last verdict on a JavaScript heap is `leak`.
    pub(super) fn has_leak(&self) -> bool {
        self.heap_verdict.as_ref().is_some_and(|verdict| verdict.verdict == Level::Leak)
    }

    /// The last verdict on a JavaScript heap.
    pub(super) fn into_heap_verdict(self) -> Option<Verdict> {
        self.heap_verdict
    }

    /// The exit status that the records amount to.
    pub(super) fn exit_status(&self, job: Job) -> u8 {
        self.outcome.exit_status(job)
    }

    /// Tells the user, at once where standard error is not the live view's.
    fn has(&mut self, trouble: Trouble) {
        if !self.is_live {
            tell(&trouble);
        }
        self.troubles.push(trouble);
    }
}

fn tell(trouble: &Trouble) {
    log::complain(&anyhow::Error::from(trouble.clone()));
}

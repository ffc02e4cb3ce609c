//! Plain lines, for logs, pipes and grep: time (UTC), process (with the isolate, if it has several), record type, what
//! happened. What explains a line follows it, indented. A new day is announced; the summary ends the report. [`shown`]
//! decides which records get a line.

mod shown;

use std::io::{self, Write};

use super::{
    color::Tone,
    describe::{self, Detail},
    record::{Body, Record},
    sink::Sink,
    state::{State, target},
    summary,
    time::Time,
};
pub use shown::Verbosity;
use shown::{Shown, is_last_listed};

/// Writes records as plain lines.
#[derive(Debug)]
pub struct Lines<W> {
    out: W,
    verbosity: Verbosity,
    color: bool,
    state: State,
    shown: Shown,
    day: String,
}

impl<W: Write> Lines<W> {
    /// Lines go to `out`, with colour if `color`.
    pub fn new(out: W, verbosity: Verbosity, color: bool) -> Self {
        Self { out, verbosity, color, state: State::default(), shown: Shown::default(), day: String::new() }
    }

    fn line(&mut self, record: &Record) -> io::Result<()> {
        self.announce_day(record.ts)?;
        let isolate = target::isolate_of(&record.body);
        let target = record.subject.and_then(|subject| self.state.targets.get(&subject));
        let limit = target.zip(isolate).and_then(|(target, isolate)| target.limit_of(isolate));
        let several = target.is_some_and(target::Target::has_several_isolates);
        let detail = if self.verbosity == Verbosity::Verbose { Detail::All } else { Detail::Brief };
        let line = describe::body(&record.body, limit, detail);
        let (time, color) = (Tone::Dim.paint(clock(record.ts), self.color), self.color);
        let who = who(record, isolate.filter(|_| several));
        writeln!(self.out, "{time} {who} {} {}", line.tag, line.tone.paint(&line.text, color))?;
        let last_listed = matches!(&record.body, Body::Isolate(isolate) if detail == Detail::Brief && is_last_listed(isolate));
        let counted = last_listed.then(|| "further isolates are counted in the summary".to_owned());
        line.more
            .iter()
            .chain(&counted)
            .try_for_each(|more| writeln!(self.out, "    {}", Tone::Dim.paint(more, color)))
    }

    fn announce_day(&mut self, ts: Time) -> io::Result<()> {
        let text = ts.to_string();
        let day = text.split('T').next().unwrap_or_default();
        if self.day == day {
            return Ok(());
        }
        day.clone_into(&mut self.day);
        writeln!(self.out, "{}", Tone::Dim.paint(format_args!("--- {day} (UTC)"), self.color))
    }
}

/// `23:14:05Z`.
pub(super) fn clock(ts: Time) -> String {
    ts.to_string().get(11..19).map_or_else(String::new, |clock| format!("{clock}Z"))
}

/// `1234`, or `1234/2` for its second isolate; `-` for what is about no process.
fn who(record: &Record, isolate: Option<u32>) -> String {
    match (record.subject, isolate) {
        (Some(subject), Some(isolate)) => format!("{}/{isolate}", subject.pid),
        (Some(subject), None) => subject.pid.to_string(),
        (None, _) => "-".to_owned(),
    }
}

impl<W: Write> Sink for Lines<W> {
    fn record(&mut self, record: &Record) -> io::Result<()> {
        let is_shown = self.shown.shows(self.verbosity, record, &self.state);
        self.state.record(record);
        if is_shown {
            self.line(record)?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.verbosity != Verbosity::Quiet {
            write!(self.out, "{}", summary::summary(&self.state, self.color))?;
        }
        self.out.flush()
    }
}

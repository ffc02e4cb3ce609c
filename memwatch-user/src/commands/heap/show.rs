//! Where answers go, and what is said meanwhile.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;

use crate::{
    cli::output::OutputArgs,
    commands::watch::sinks::has_color,
    report::heap::{Answer, Page, write_json, write_text},
};

/// Lines are no longer than this on a terminal, however wide it is: longer ones are hard to read.
const WIDEST: usize = 120;

/// Writes an answer to standard output.
pub(super) fn show(answer: &impl Answer, output: OutputArgs) -> Result<()> {
    let mut out = io::stdout().lock();
    if output.json {
        write_json(answer, &mut out)?;
    } else {
        write_text(answer, page(output), &mut out)?;
    }
    Ok(())
}

fn page(output: OutputArgs) -> Page {
    let size = if io::stdout().is_terminal() { crossterm::terminal::size().ok() } else { None };
    let width = size.map(|(columns, _)| usize::from(columns).min(WIDEST));
    Page { width, color: has_color(output) }
}

/// One line on standard error about what is being done, if that is a terminal; gone when it is dropped.
pub(super) struct Waiting {
    shows: bool,
}

impl Waiting {
    pub(super) fn start(text: &str) -> Self {
        let waiting = Self { shows: io::stderr().is_terminal() };
        waiting.say(text);
        waiting
    }

    /// Asks for something, on a line that stays: also where standard error is no terminal, as nothing happens without.
    pub(super) fn ask(text: &str) {
        // Nothing is left to be done about a standard error that is closed.
        let _closed = writeln!(io::stderr(), "memwatch-bpf: {text}");
    }

    /// Says what is being done now.
    pub(super) fn say(&self, text: &str) {
        if self.shows {
            // Nothing is left to be done about a standard error that is closed.
            let _closed = write!(io::stderr(), "\r\x1b[K{text} …");
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.shows {
            let _closed = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

//! Answers of the `heap` commands: one JSON object each, and the same as text that fits a terminal.

mod diff;
mod find;
mod lines;
mod paths;
pub mod record;
mod summary;

use std::io::{self, Write};

pub use lines::Page;
use serde::Serialize;

/// An answer that can be shown as text.
pub trait Answer: Serialize {
    /// It as lines.
    fn lines(&self, page: Page) -> Vec<String>;
}

/// Writes `answer` as one line of JSON.
pub fn write_json(answer: &impl Answer, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, answer)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes `answer` as text.
pub fn write_text(answer: &impl Answer, page: Page, out: &mut dyn Write) -> io::Result<()> {
    answer.lines(page).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    out.flush()
}

#[cfg(test)]
mod tests;

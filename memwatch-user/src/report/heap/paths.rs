//! The answer of `heap paths` as text.

use super::{
    Answer, Page,
    lines::{about, grouped},
    record::{Cause, Paths},
};
use crate::units;

/// Causes that are shown.
const CAUSES: usize = 12;

impl Answer for Paths {
    fn lines(&self, page: Page) -> Vec<String> {
        let mut lines = about(&self.source, page);
        lines.push(String::new());
        let (count, bytes) = (grouped(self.count), units::bytes(self.bytes));
        lines.extend(page.item("", &format!("{}: {count} objects, {bytes}", self.asked)));
        lines.extend(page.heading("Why they are alive"));
        lines.extend(self.causes.iter().take(CAUSES).flat_map(|one| cause(one, page)));
        if self.causes.len() > CAUSES {
            lines
                .extend(page.remark(&format!("{} more causes; --json has them", self.causes.len() - CAUSES)));
        }
        lines.extend(page.heading("One of them, step by step"));
        lines.extend(self.path.iter().flat_map(|step| page.item("  ", step)));
        lines
    }
}

/// A cause: how many, and the path below each other.
pub(super) fn cause(cause: &Cause, page: Page) -> Vec<String> {
    let figures = format!("  {}  ", grouped(cause.count));
    let example = cause.example.as_ref().map_or_else(String::new, |address| format!(" ({address})"));
    let mut lines = page.item(&figures, &format!("{}{example}", cause.class));
    let indent = format!("{}← ", " ".repeat(figures.chars().count()));
    lines.extend(cause.path.iter().flat_map(|step| page.item(&indent, step)));
    lines
}

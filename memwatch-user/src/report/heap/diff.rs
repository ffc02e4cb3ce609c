//! The answer of `heap diff` as text.

use super::{
    Answer, Page,
    lines::{about, grouped, signed, signed_bytes, table},
    paths::cause,
    record::{Cause, Detail, Diff, GrownHolder},
};
use crate::units;

/// Rows of each table.
const ROWS: usize = 10;
/// Growth of less than this part of the largest is not shown.
const LARGEST_PART: i64 = 100;
/// Causes that are shown.
const CAUSES: usize = 5;

impl Answer for Diff {
    fn lines(&self, page: Page) -> Vec<String> {
        let mut lines = about(&self.source, page);
        lines.push(String::new());
        lines.extend(page.item("", &totals(self)));
        lines.extend(holders(&self.holders, page));
        lines.extend(details(&self.change.details, page));
        lines.extend(causes(&self.causes, page));
        lines
    }
}

fn totals(diff: &Diff) -> String {
    let sizes = units::change(diff.before.size_bytes, diff.after.size_bytes);
    format!(
        "In {}: {} objects, {} ({sizes})",
        units::span(diff.after.after_s),
        signed(diff.change.nodes),
        signed_bytes(diff.change.size_bytes),
    )
}

fn holders(holders: &[GrownHolder], page: Page) -> Vec<String> {
    let grown: Vec<&GrownHolder> = holders.iter().filter(|holder| !holder.own).take(ROWS).collect();
    let mut lines = page.heading("Who holds more than before").to_vec();
    if grown.is_empty() {
        lines.extend(page.remark("No place of the program does."));
    }
    let row = |holder: &&GrownHolder| {
        let trend = holder.trend.as_ref().map_or_else(String::new, |trend| format!(" · {trend}"));
        let figures = vec![signed_bytes(holder.grown_bytes), signed(holder.grown_count)];
        (figures, format!("{} in {}{trend}", holder.class, holder.place))
    };
    lines.extend(table(page, None, &grown.iter().map(row).collect::<Vec<_>>()));
    lines
}

fn details(details: &[Detail], page: Page) -> Vec<String> {
    let mut lines = page.heading("What there is more of").to_vec();
    let is_internal = |detail: &Detail| matches!(detail.kind.as_str(), "code" | "system");
    let largest = details.first().map_or(0, |detail| detail.size_bytes);
    let is_much = |detail: &Detail| detail.size_bytes > 0 && detail.size_bytes >= largest / LARGEST_PART;
    let grown = details.iter().filter(|detail| is_much(detail) && !is_internal(detail));
    let grown: Vec<&Detail> = grown.take(ROWS).collect();
    if grown.is_empty() {
        lines.extend(page.remark("Nothing."));
    }
    let row = |detail: &&Detail| {
        let count = match (detail.allocated, detail.freed) {
            (Some(more), _) => format!("+{}", grouped(more)),
            (None, Some(fewer)) => format!("-{}", grouped(fewer)),
            (None, None) => String::new(),
        };
        let name = detail
            .shape
            .as_ref()
            .map_or_else(|| detail.what.clone(), |shape| format!("{} {shape}", detail.what));
        (vec![count, signed_bytes(detail.size_bytes)], name)
    };
    let rows: Vec<_> = grown.iter().map(row).collect();
    lines.extend(table(page, Some((&["count", "size"], "class")), &rows));
    lines
}

fn causes(causes: &[Cause], page: Page) -> Vec<String> {
    if causes.is_empty() {
        return Vec::new();
    }
    let mut lines = page.heading("Why the new ones are alive").to_vec();
    lines.extend(causes.iter().take(CAUSES).flat_map(|one| cause(one, page)));
    lines
}

//! The answer of `heap` as text.

use super::{
    Answer, Page,
    lines::{about, grouped, share, table},
    record::{Class, Holder, Summary},
};
use crate::units;

/// Classes that are shown.
const CLASSES: usize = 10;

impl Answer for Summary {
    fn lines(&self, page: Page) -> Vec<String> {
        let mut lines = about(&self.source, page);
        lines.push(String::new());
        lines.extend(page.item("", &totals(self)));
        lines.extend(alarms(self, page));
        lines.extend(holders(self, page));
        lines.extend(classes(self, page));
        lines
    }
}

fn totals(summary: &Summary) -> String {
    let totals = &summary.totals;
    let mut parts =
        vec![format!("{} in {} objects", units::bytes(totals.shallow_bytes), grouped(totals.objects))];
    if let Some(garbage) = totals.garbage_bytes {
        parts.push(format!("a full collection would free {}", units::bytes(garbage)));
    }
    parts.push(format!("outside of the heap {}", units::bytes(totals.external_bytes)));
    parts.join(" · ")
}

/// Roots with absurdly many references: the first thing to know.
fn alarms(summary: &Summary, page: Page) -> Vec<String> {
    let many: Vec<_> = summary.roots.iter().filter(|root| root.many).collect();
    if many.is_empty() {
        return Vec::new();
    }
    let mut lines = page.heading("Roots with very many references").to_vec();
    let row = |root: &&super::record::Root| (vec![grouped(root.edges.into())], advice(&root.name));
    lines.extend(table(page, None, &many.iter().map(row).collect::<Vec<_>>()));
    lines
}

fn advice(root: &str) -> String {
    match root {
        "handle scopes" => {
            "references in handle scopes: native code makes handles in a loop without a HandleScope of its own"
                .to_owned()
        }
        _ => format!("references in {root}: native code keeps handles and does not reset them"),
    }
}

fn holders(summary: &Summary, page: Page) -> Vec<String> {
    let (own, program): (Vec<&Holder>, Vec<&Holder>) = summary.holders.iter().partition(|holder| holder.own);
    let mut lines = page.heading("Who holds it").to_vec();
    if program.is_empty() {
        lines.extend(page.remark("No place of the program holds 2 % or more of it."));
    }
    lines.extend(table(page, None, &rows(&program)));
    if summary.internal {
        lines.extend(page.heading("Held by Node and V8 for themselves"));
        lines.extend(table(page, None, &rows(&own)));
    } else if !own.is_empty() {
        let part = share(own.iter().map(|holder| holder.share).sum());
        lines.extend(page.remark(&format!("Node and V8 hold {part} for themselves; --internal lists it.")));
    }
    lines
}

fn rows(holders: &[&Holder]) -> Vec<(Vec<String>, String)> {
    let row = |holder: &&Holder| {
        let figures = vec![share(holder.share), units::bytes(holder.bytes), grouped(holder.count)];
        (figures, format!("{} in {}", holder.class, holder.place))
    };
    holders.iter().map(row).collect()
}

fn classes(summary: &Summary, page: Page) -> Vec<String> {
    let is_shown = |class: &&Class| summary.internal || !is_internal(class);
    let mut lines = page.heading("What is in it").to_vec();
    let rows: Vec<_> = summary.classes.iter().filter(is_shown).take(CLASSES).map(row).collect();
    lines.extend(table(page, Some((&["count", "own size", "held"], "class")), &rows));
    lines.extend(page.remark(&rest(summary, rows.len())));
    lines
}

fn row(class: &Class) -> (Vec<String>, String) {
    let shape = class.shape.as_ref().map_or_else(String::new, |shape| format!(" {shape}"));
    let figures = vec![grouped(class.count), units::bytes(own_size(class)), units::bytes(class.held_bytes)];
    (figures, format!("{}{shape}", class.name))
}

fn own_size(class: &Class) -> u64 {
    class.shallow_bytes.saturating_add(class.external_bytes)
}

/// Whether it is code or a table of V8's.
fn is_internal(class: &Class) -> bool {
    matches!(class.kind.as_str(), "code" | "system")
}

fn rest(summary: &Summary, shown: usize) -> String {
    let more = grouped(summary.classes.len().saturating_sub(shown) as u64);
    let internal = summary.classes.iter().filter(|class| is_internal(class)).map(own_size);
    let internal = units::bytes(internal.fold(0, u64::saturating_add));
    if summary.internal {
        format!("{more} more classes; --json has them.")
    } else {
        format!("{more} more classes (--json has them); {internal} of code and tables of V8 (--internal).")
    }
}

//! The answer of `heap find` as text.

use super::{
    Answer, Page,
    lines::{about, grouped, table},
    record::{Finding, Findings},
};
use crate::units;

impl Answer for Findings {
    fn lines(&self, page: Page) -> Vec<String> {
        let mut lines = about(&self.source, page);
        lines.extend(page.heading("What there is unusually much of"));
        if self.findings.is_empty() {
            lines.extend(page.remark(
                "Nothing: no timers, promises, sockets or contexts by the thousand, no event with more than ten \
                 listeners, no strings that waste 64 kB by being there twice.",
            ));
        }
        let rows: Vec<_> = self.findings.iter().map(row).collect();
        lines.extend(table(page, Some((&["count", "size"], "what")), &rows));
        lines
    }
}

fn row(finding: &Finding) -> (Vec<String>, String) {
    let what = match finding.name.as_str() {
        "listeners" => finding.place.clone(),
        "contexts" => finding.what.clone(),
        _ => format!("{}, most in {}", finding.what, finding.place),
    };
    (vec![grouped(finding.count), units::bytes(finding.bytes)], what)
}

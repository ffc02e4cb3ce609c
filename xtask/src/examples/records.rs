//! The records of a watch: which of them is the example of its kind.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// The records of `--json`.
pub(super) struct Records {
    lines: Vec<(String, Value)>,
}

impl Records {
    /// Of what was written.
    pub(super) fn of(written: &str) -> Result<Self> {
        let record = |line: &str| Ok((line.to_owned(), serde_json::from_str(line)?));
        Ok(Self { lines: written.lines().map(record).collect::<Result<_>>()? })
    }

    /// The last record of `kind` that `is_wanted`, as it was written.
    pub(super) fn last(&self, kind: &str, is_wanted: impl Fn(&Value) -> bool) -> Result<String> {
        let mut wanted = self.lines.iter().rev().filter(|(_, record)| is(record, kind) && is_wanted(record));
        wanted.next().map(|(line, _)| line.clone()).with_context(|| format!("no `{kind}` that would do"))
    }
}

/// Whether a record is of a kind.
pub(super) fn is(record: &Value, kind: &str) -> bool {
    record["type"] == kind
}

/// Whether a line is a record of `kind` that `is_wanted`.
pub(super) fn is_line(line: &str, kind: &str, is_wanted: impl Fn(&Value) -> bool) -> bool {
    serde_json::from_str(line).is_ok_and(|record| is(&record, kind) && is_wanted(&record))
}

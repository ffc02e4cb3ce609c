//! Recorded streams in, everything that is made of them out: plain lines, frames of the live view, the exit status;
//! and docs/json.md beside the types it describes. `MEMWATCH_BLESS=1 cargo test` rewrites the expected output.

#![expect(clippy::unwrap_used, reason = "clippy allows it in test functions, not in what they call")]

#[path = "report/docs.rs"]
mod docs;
#[path = "report/golden.rs"]
mod golden;
#[path = "report/terminal.rs"]
mod terminal;

use std::{fs, path::PathBuf};

use memwatch_user::report::record::Record;

/// A file below `tests/golden`.
fn golden_path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name].iter().collect()
}

/// The records of a recorded stream.
fn stream(name: &str) -> Vec<Record> {
    let text = fs::read_to_string(golden_path(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

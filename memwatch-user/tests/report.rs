//! Recorded streams in, everything that is made of them out: plain lines, frames of the live view, the exit status;
//! and docs/json.md beside the types it describes. `MEMWATCH_BLESS=1 cargo test` rewrites the expected output.

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
#[expect(clippy::unwrap_used, reason = "a recorded stream that cannot be read fails its test")]
fn stream(name: &str) -> Vec<Record> {
    let text = fs::read_to_string(golden_path(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

//! What an output does not have of the report.

use serde::{Deserialize, Serialize};

use crate::report::time::Time;

/// Records that were left out of one output, because it was read too slowly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// `standard output`, or a file.
    pub output: String,
    /// How many records are missing.
    pub records: u64,
    /// When the first of them happened.
    pub from: Time,
    /// When the last of them happened.
    pub to: Time,
}

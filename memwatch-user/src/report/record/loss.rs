//! What was not seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was not seen of all targets since the watch began: repeated for each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Happened, and is not in the report.
    pub lost: u64,
    /// Left out on purpose, by sampling.
    pub sampled_out: u64,
    /// In the report, without a value that could not be read, or not understood.
    pub malformed: u64,
    /// Half of a pair: for example a collection that was running when we attached.
    pub unmatched: u64,
    /// In the report with a value that was found another way than usual: nothing is missing.
    #[serde(default)]
    pub mended: u64,
    /// The same by reason.
    pub reasons: BTreeMap<String, u64>,
}

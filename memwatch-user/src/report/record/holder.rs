//! A place that holds what a JavaScript heap grows by.

use serde::{Deserialize, Serialize};

use crate::vocabulary::Taken;

/// What holds more and more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    /// Its share of what the heap has grown by since it was first looked at.
    pub share: f64,
    /// Bytes that it holds more than then.
    pub bytes: u64,
    /// Objects that it holds more.
    pub count: i64,
    /// What most of them are.
    pub class: String,
    /// What holds them: class and variable or property, and the function that sees it.
    pub place: String,
    /// The function that sees, has or made it.
    #[serde(rename = "fn")]
    pub function: Option<String>,
    /// Its file.
    pub file: Option<String>,
    /// Where it begins.
    pub line: Option<u32>,
    /// How the takes of the heap were had.
    pub taken: Taken,
}

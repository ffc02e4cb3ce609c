//! Places that memory comes from: part of verdicts, and of whatever names code.

use serde::{Deserialize, Serialize};

use crate::vocabulary::{Code, Measure, TakenBy};

/// One place in the program that memory comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Site {
    /// Its share of the growth, 0 to 1.
    pub share: f64,
    /// Its bytes.
    pub bytes: u64,
    /// What `bytes` counts.
    pub measure: Measure,
    /// Of native memory, by what call it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<TakenBy>,
    /// Samples behind it.
    pub n: u64,
    /// 95 % interval of the share.
    pub interval: Option<[Option<f64>; 2]>,
    /// The stack, innermost first.
    pub frames: Vec<Frame>,
}

/// One frame of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Function.
    #[serde(rename = "fn")]
    pub function: Option<String>,
    /// File or script.
    pub file: Option<String>,
    /// Line, from 1.
    pub line: Option<u32>,
    /// The binary that the code is in (native frames).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// What code it is.
    pub kind: Code,
    /// `line` is where the function begins: where in it, and what was inlined into it there, is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubtful: bool,
}

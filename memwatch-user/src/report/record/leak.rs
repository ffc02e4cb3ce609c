//! node-memwatch's event.

use serde::{Deserialize, Serialize};

use crate::report::time::Time;

/// node-memwatch's `leak` event, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// Which isolate.
    pub isolate: u32,
    /// When the run of growth began.
    pub start: Time,
    /// When it was called.
    pub end: Time,
    /// By how much the heap grew between.
    pub growth: u64,
    /// `heap growth over 5 consecutive GCs (20s) - 11.67 mb/hr`.
    pub reason: String,
}

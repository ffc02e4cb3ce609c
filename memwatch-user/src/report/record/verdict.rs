//! A verdict on one kind of memory.

use serde::{Deserialize, Serialize};

use super::{Holder, Site};
use crate::{
    report::time::Time,
    vocabulary::{Kind, Level, Reason, Resource, Unit},
};

/// What we make of one kind of memory of one isolate, or of the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which isolate; null if it is about the process.
    pub isolate: Option<u32>,
    /// How sure we are that it leaks.
    pub verdict: Level,
    /// Which memory.
    pub kind: Kind,
    /// How fast it grows, if it is counted in bytes.
    pub rate_bytes_per_hour: Option<f64>,
    /// How fast it grows, in `rate_unit` an hour.
    #[serde(default)]
    pub rate_per_hour: Option<f64>,
    /// What `rate_per_hour` and `rate_interval` count.
    #[serde(default)]
    pub rate_unit: Unit,
    /// 95 % interval of the rate.
    pub rate_interval: Option<[Option<f64>; 2]>,
    /// Since when the verdict holds.
    pub since: Time,
    /// 0 to 1: one minus the probability that chance alone shows this trend; null while there is no trend to judge.
    pub confidence: Option<f64>,
    /// Seconds until `exhausts` is used up.
    pub time_to_exhaustion_s: Option<[Option<f64>; 2]>,
    /// What is used up first.
    pub exhausts: Option<Resource>,
    /// The reasons in words: what was seen, which tests passed, why it is not another kind.
    pub evidence: Vec<String>,
    /// The same with their numbers.
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// Where the memory comes from, largest share first.
    pub sites: Vec<Site>,
    /// What holds what a JavaScript heap grows by, largest share first.
    #[serde(default)]
    pub holders: Vec<Holder>,
}

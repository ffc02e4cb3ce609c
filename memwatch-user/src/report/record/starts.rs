//! The record of where collections start.

use serde::{Deserialize, Serialize};

use super::Frame;
use crate::vocabulary::GcKind;

/// Where the collections of one isolate started since we are attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starts {
    /// Which isolate.
    pub isolate: u32,
    /// All its collections.
    pub all: Paused,
    /// Those that started outside of JavaScript.
    pub outside: Paused,
    /// Those of which it is not known where they started.
    pub unknown: Paused,
    /// Where the others did, and for what reasons they started outside: mark-compacts first, each by the length of pauses.
    pub starts: Vec<Start>,
}

/// So many collections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// How many.
    pub n: u64,
    /// Their pauses, added up.
    pub pause_us: u64,
}

/// Collections of one kind that started in one place for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// As [`super::Gc::kind`].
    pub kind: GcKind,
    /// As [`super::Gc::reason`].
    pub reason: String,
    /// How many, and how long.
    #[serde(flatten)]
    pub paused: Paused,
    /// As [`super::Gc::started_in`].
    pub frames: Vec<Frame>,
}

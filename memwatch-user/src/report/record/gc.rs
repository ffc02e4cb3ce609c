//! One collection.

use serde::{Deserialize, Serialize};

use super::Frame;
use crate::vocabulary::GcKind;

/// One collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gc {
    /// Which isolate.
    pub isolate: u32,
    /// Id of the thread that collected.
    pub thread: u32,
    /// Which collector ran.
    pub kind: GcKind,
    /// V8's words.
    pub reason: String,
    /// How long JavaScript stood still.
    pub pause_us: u64,
    /// Bytes of objects before.
    pub before_bytes: Option<u64>,
    /// Bytes of objects after.
    pub after_bytes: Option<u64>,
    /// Whether pages were evacuated (mark-compact only).
    pub compacted: Option<bool>,
    /// How long incremental marking ran before the pause (mark-compact only).
    pub marking_ms: Option<u64>,
    /// The isolate's array buffers when the pause ended: `process.memoryUsage().arrayBuffers`.
    pub array_buffers: Option<u64>,
    /// The memory behind its array buffers and external strings then: `process.memoryUsage().external`.
    pub external: Option<u64>,
    /// The JavaScript that ran when it started, from the user's own code outwards; empty if none did, null where that is
    /// not known.
    #[serde(default)]
    pub started_in: Option<Vec<Frame>>,
}

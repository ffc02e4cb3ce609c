//! One isolate: its collections and what they left.

use super::history::History;
use crate::report::{
    record::{self, Gc, IsolateState, Starts, Stats},
    time::Time,
};

/// One isolate.
#[derive(Clone, Debug)]
pub struct Isolate {
    /// Serial number within the process.
    pub serial: u32,
    /// Its thread.
    pub thread: u32,
    /// Whether it belongs to a worker thread.
    pub worker: bool,
    /// Whether it was torn down.
    pub gone: bool,
    /// The heap's limit, last known.
    pub heap_limit: Option<u64>,
    /// Mark-compacts seen.
    pub full: u64,
    /// Other collections seen.
    pub other: u64,
    /// The latest collection.
    pub last: Option<(Time, Gc)>,
    /// Statistics after the latest mark-compact.
    pub stats: Option<Stats>,
    /// Where its collections start, last known.
    pub starts: Option<Starts>,
    /// The heap over time.
    pub history: History,
}

impl Isolate {
    pub(super) fn new(serial: u32, thread: u32) -> Self {
        Self {
            serial,
            thread,
            // Serial numbers follow birth, and Node makes its main isolate first; the record says so if it comes.
            worker: serial > 1,
            gone: false,
            heap_limit: None,
            full: 0,
            other: 0,
            last: None,
            stats: None,
            starts: None,
            history: History::default(),
        }
    }

    pub(super) fn introduce(&mut self, isolate: &record::Isolate) {
        self.thread = isolate.thread;
        self.worker = isolate.worker;
        self.gone = isolate.state == IsolateState::Gone;
        self.heap_limit = isolate.heap_limit.or(self.heap_limit);
    }

    pub(super) fn collected(&mut self, ts: Time, gc: &Gc) {
        let full = gc.kind.is_full();
        if full {
            self.full += 1;
        } else {
            self.other += 1;
        }
        self.history.push(ts, gc.before_bytes, gc.after_bytes, full);
        self.last = Some((ts, gc.clone()));
    }

    pub(super) fn measured(&mut self, stats: &Stats) {
        self.heap_limit = stats.heap_limit.or(self.heap_limit);
        self.stats = Some(stats.clone());
    }

    pub(super) fn started(&mut self, starts: &Starts) {
        self.starts = Some(starts.clone());
    }

    /// The heap after the last mark-compact: what is really alive.
    #[must_use]
    pub fn base(&self) -> Option<u64> {
        self.stats.as_ref().map(|stats| stats.current_base).or_else(|| self.history.last_base())
    }

    /// The heap after the last collection.
    #[must_use]
    pub fn after(&self) -> Option<u64> {
        self.last.as_ref().and_then(|(_, gc)| gc.after_bytes)
    }

    /// The heap after the last collection as a share of the limit.
    #[must_use]
    pub fn share_of_limit(&self) -> Option<f64> {
        let limit = self.heap_limit.filter(|limit| *limit > 0)?;
        Some(self.after()? as f64 / limit as f64)
    }

    /// `main` or `worker`.
    #[must_use]
    pub const fn role(&self) -> &'static str {
        if self.worker { "worker" } else { "main" }
    }
}

//! Mark-compacts that nobody needs: V8's `MemoryReducer` (src/heap/memory-reducer.cc, V8 11.3).
//!
//! Eight seconds after a mark-compact that found a grown heap, and after start-up, V8 collects again if little is
//! allocated, and half a second later once more. In a recorded leak these are five of fifteen mark-compacts.

use super::policy::GC_SPEED;
use crate::MIB;

/// The first run of a process: eight seconds after its start-up ended (recorded: 8.5, 9.7, 10.4 and 10.7 s).
pub const STARTS_AFTER_S: f64 = 9.5;
/// `kLongDelayMs` and the slack of its timer.
const LONG_DELAY_S: f64 = 8.1;
/// `kShortDelayMs` and the slack of its timer.
const SHORT_DELAY_S: f64 = 0.6;
/// `kWatchdogDelayMs`: after so long it runs however much is allocated.
const WATCHDOG_S: f64 = 100.0;
/// `kCommittedMemoryFactor` and `kCommittedMemoryDelta`: what a grown heap is.
const GROWN: (f64, f64) = (1.1, 10.0 * MIB);
/// `GCTracer`'s kHighMutatorUtilization is 0.993: little is less than this share of the collector's speed.
const LITTLE: f64 = 0.007 * GC_SPEED;

/// Its state: waiting for a time, or done.
#[derive(Clone, Debug)]
pub struct Reducer {
    /// When it next looks; infinite when it is done.
    due: f64,
    started: u32,
    last_mark_compact: f64,
    committed: f64,
}

impl Reducer {
    /// First due at `due` seconds, with `committed` bytes in the heap.
    #[must_use]
    pub const fn new(due: f64, committed: f64) -> Self {
        Self { due, started: 0, last_mark_compact: 0.0, committed }
    }

    /// When it next looks.
    #[must_use]
    pub const fn due(&self) -> f64 {
        self.due
    }

    /// Whether it collects at `t`, where `allocation` bytes a second are allocated. If it is due and does not, it looks
    /// again later.
    pub fn is_due(&mut self, t: f64, allocation: f64) -> bool {
        if t < self.due {
            return false;
        }
        let runs = allocation < LITTLE || t > self.last_mark_compact + WATCHDOG_S;
        if !runs {
            self.due = t + LONG_DELAY_S;
        }
        runs
    }

    /// Takes note of a mark-compact at `t`, its own or another, that left `size` bytes.
    pub fn mark_compact(&mut self, t: f64, size: f64, own: bool) {
        self.last_mark_compact = t;
        let waits = self.due.is_finite();
        if own && self.started == 0 {
            (self.started, self.due) = (1, t + SHORT_DELAY_S);
        } else if own {
            (self.started, self.due, self.committed) = (0, f64::INFINITY, size);
        } else if waits || size >= (self.committed * GROWN.0).max(self.committed + GROWN.1) {
            self.due = t + LONG_DELAY_S;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_twice_and_waits_for_a_grown_heap() {
        let mut reducer = Reducer::new(9.5, 10.0 * MIB);
        assert!(!reducer.is_due(9.0, 0.0) && reducer.is_due(9.5, MIB));
        reducer.mark_compact(9.5, 10.0 * MIB, true);
        assert!(reducer.is_due(10.2, MIB));
        reducer.mark_compact(10.2, 10.0 * MIB, true);
        reducer.mark_compact(50.0, 19.0 * MIB, false);
        assert!(!reducer.is_due(500.0, 0.0));
        reducer.mark_compact(60.0, 21.0 * MIB, false);
        assert!((reducer.due() - 68.1).abs() < 1e-9);
    }

    #[test]
    fn a_busy_process_is_left_alone_for_a_while() {
        let mut reducer = Reducer::new(9.5, MIB);
        assert!(!reducer.is_due(10.0, 50.0 * MIB) && reducer.is_due(101.0, 50.0 * MIB));
    }
}

//! So many mark-compacts in a row, each leaving more than the one before: what people do by hand.

use super::{Alarm, Detector};

/// Alarms at a run of rises.
pub struct Consecutive {
    needed: u32,
    run: u32,
    last: f64,
}

impl Consecutive {
    /// Alarms at `needed` rises.
    #[must_use]
    pub const fn new(needed: u32) -> Self {
        Self { needed, run: 0, last: f64::INFINITY }
    }
}

impl Detector for Consecutive {
    fn sample(&mut self, at_s: f64, bytes: f64) -> Option<Alarm> {
        self.run = if bytes > self.last { self.run + 1 } else { 0 };
        self.last = bytes;
        (self.run == self.needed).then_some(Alarm { at_s, rate: None })
    }
}

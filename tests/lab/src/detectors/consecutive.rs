//! So many mark-compacts in a row, each leaving more than the one before: what people do by hand.

use memwatch_user::model::Collection;

use super::{Alarm, Detector, mark_compact};

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
    fn collection(&mut self, c: &Collection) -> Option<Alarm> {
        let (at_s, after) = mark_compact(c)?;
        self.run = if after > self.last { self.run + 1 } else { 0 };
        self.last = after;
        (self.run == self.needed).then_some(Alarm { at_s, rate: None })
    }
}

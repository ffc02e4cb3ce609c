//! memwatch-next 0.3.0 (`src/memwatch.cc`), with its faults and without.
//!
//! The leak rule is the same in both: five rises in a row, the first mark-compact ever being one. What differs is the
//! arithmetic of sizes and rates: the original's sizes are 32-bit, so a heap wraps at 4 GiB, and its rate is growth over
//! whole seconds, cast to an `int`.

use memwatch_user::{
    model::{Collection, GcKind},
    series::Memwatch,
};

use super::{Alarm, Detector};

const GROWTH_RUN: u32 = 5;

/// The original, quirk for quirk.
#[derive(Default)]
pub struct Faithful {
    last: u32,
    run: u32,
    start_s: u32,
    base: u32,
}

impl Detector for Faithful {
    fn collection(&mut self, c: &Collection) -> Option<Alarm> {
        if c.kind != GcKind::MarkCompact {
            return None;
        }
        // What the original's `unsigned int` keeps of a size and of a `time_t`.
        let used = low_half(c.after_bytes?);
        let now = low_half(c.end.0 / 1_000_000_000);
        let rises = self.last < used;
        self.last = used;
        if !rises {
            self.run = 0;
            return None;
        }
        if self.run == 0 {
            (self.start_s, self.base) = (now, used);
        }
        self.run += 1;
        if self.run < GROWTH_RUN {
            return None;
        }
        self.run = 0;
        let rate = rate(used.wrapping_sub(self.base), now.wrapping_sub(self.start_s));
        Some(Alarm { at_s: c.end.seconds(), rate: Some(rate) })
    }
}

/// Bytes an hour as the original prints them: infinite becomes the smallest `int`, as on x86-64.
fn rate(growth: u32, seconds: u32) -> f64 {
    let hourly = f64::from(growth) / (f64::from(seconds) / 3600.0);
    let fits = hourly < f64::from(i32::MAX);
    if fits { hourly.trunc() } else { f64::from(i32::MIN) }
}

#[expect(clippy::cast_possible_truncation, reason = "the original's truncation is what is reproduced")]
const fn low_half(x: u64) -> u32 {
    x as u32
}

/// The tool's own, whose arithmetic is right.
#[derive(Default)]
pub struct Repaired(Memwatch);

impl Detector for Repaired {
    fn collection(&mut self, c: &Collection) -> Option<Alarm> {
        if c.kind != GcKind::MarkCompact {
            return None;
        }
        let leak = self.0.full_collection(c.end, c.after_bytes)?;
        let hours = leak.end.since(leak.start).as_secs_f64() / 3600.0;
        Some(Alarm { at_s: leak.end.seconds(), rate: (hours > 0.0).then(|| leak.growth as f64 / hours) })
    }
}

#[cfg(test)]
mod tests {
    use memwatch_user::model::Mono;

    use super::*;
    use crate::trace::gc;

    fn alarms(detector: &mut dyn Detector, sizes: &[(u64, u64)]) -> Vec<Option<f64>> {
        let full =
            |&(s, after): &(u64, u64)| gc(Mono(s * 1_000_000_000), 1, GcKind::MarkCompact, after + 9, after);
        sizes.iter().filter_map(|size| detector.collection(&full(size))).map(|alarm| alarm.rate).collect()
    }

    #[test]
    fn both_alarm_at_the_fifth_rise_and_differ_in_the_rate() {
        let slow = [(0, 10), (60, 20), (120, 30), (180, 40), (3600, 50)];
        assert_eq!(alarms(&mut Faithful::default(), &slow), [Some(40.0)]);
        assert_eq!(alarms(&mut Repaired::default(), &slow), [Some(40.0)]);
        let sudden = [(5, 10), (5, 20), (5, 30), (5, 40), (5, 50)];
        assert_eq!(alarms(&mut Faithful::default(), &sudden), [Some(-2_147_483_648.0)]);
        assert_eq!(alarms(&mut Repaired::default(), &sudden), [None]);
    }

    #[test]
    fn four_gib_wrap_in_the_original_only() {
        let wrapping: Vec<(u64, u64)> = (0..5).map(|i| (i, (4 << 30) - 2 + i)).collect();
        assert_eq!(alarms(&mut Faithful::default(), &wrapping), []);
        assert_eq!(alarms(&mut Repaired::default(), &wrapping).len(), 1);
    }
}

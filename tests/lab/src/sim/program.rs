//! What a program keeps and what it throws away, as functions of its age and of the work it has done.

use std::f64::consts::TAU;

use crate::{DAY, HOUR, MIB};

/// A program.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// What it keeps.
    pub parts: Vec<Part>,
    /// How busy it is.
    pub load: Load,
    /// Bytes a second that it allocates at full load.
    pub allocation: f64,
    /// Share of them that is garbage by the next mark-compact, but old enough to have left the young generation.
    pub promoted: f64,
    /// Standard deviation of what happens to be alive at a mark-compact, bytes.
    pub noise: f64,
    /// Capacity of its young generation's semi-space, bytes.
    pub semi_space: f64,
}

/// How busy a program is: 1 is full load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// Always the same.
    Even,
    /// A sine of a day around 1; the field is its amplitude.
    Daily(f64),
    /// Weekdays with a peak before and one after noon, quiet nights at the share given, quieter weekends.
    Office(f64),
    /// [`Load::Daily`] at the first field's amplitude, and the weekend's two days at a third of it.
    Weekly(f64),
    /// From a share to full load, from an age on.
    Ramp {
        /// Load before it.
        low: f64,
        /// Age, seconds.
        from_s: f64,
        /// Seconds.
        lasts_s: f64,
    },
}

/// One thing that a program keeps, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Always.
    Base(f64),
    /// For as long as requests are open: this much at full load.
    InFlight(f64),
    /// A leak: bytes a second of full load, from an age on.
    Leak {
        /// Bytes a second.
        rate: f64,
        /// Age, seconds.
        from_s: f64,
    },
    /// A leak whose every job adds a block.
    Jobs {
        /// Bytes a second, on the average.
        rate: f64,
        /// Seconds between two jobs.
        every_s: f64,
    },
    /// A leak into a table that doubles: entries, and twice their size in slots when the last doubling was just now.
    Table {
        /// Bytes a second.
        rate: f64,
        /// Of them, share that is slots.
        slots: f64,
    },
    /// A cache that fills evenly from an age on, and is full then.
    Fill {
        /// Bytes when full.
        size: f64,
        /// Age, seconds.
        from_s: f64,
        /// Seconds until it is full.
        lasts_s: f64,
    },
    /// Something that saturates: a warm-up, or a memo of keys that come with Zipf's law.
    Saturating {
        /// Bytes in the end.
        size: f64,
        /// Seconds until 63 % of it.
        tau_s: f64,
        /// 1 for an exponential, below it for the longer tail of a memo.
        power: f64,
    },
    /// Grows evenly and is dropped: batches, a cache that is cleared.
    Sawtooth {
        /// Bytes before it is dropped.
        size: f64,
        /// Seconds from drop to drop.
        every_s: f64,
    },
    /// Sessions that end after so many seconds, at so many bytes a second of full load.
    Sessions {
        /// Bytes a second.
        rate: f64,
        /// Age, seconds, of the first.
        from_s: f64,
        /// Seconds until one ends.
        lasts_s: f64,
    },
    /// Data sets that are loaded one after the other, each for good: so many bytes at each of these ages.
    Loaded(f64, Vec<f64>),
    /// What a recorded process kept: ages and bytes, straight lines in between.
    Recorded(Vec<(f64, f64)>),
}

impl Program {
    /// Bytes that it keeps at an age of `own` seconds, when it has done `work` seconds of full load.
    #[must_use]
    pub fn live(&self, own: f64, work: f64) -> f64 {
        let load = self.load.at(own);
        self.parts.iter().map(|part| part.bytes(own, work, load)).sum::<f64>().max(MIB)
    }

    /// Bytes a second that become old garbage at full load.
    #[must_use]
    pub fn promotion(&self) -> f64 {
        self.allocation * self.promoted
    }
}

impl Load {
    /// The load at an age of `own` seconds.
    #[must_use]
    pub fn at(self, own: f64) -> f64 {
        match self {
            Self::Even => 1.0,
            Self::Daily(swing) => 1.0 + swing * (own / DAY * TAU).sin(),
            Self::Office(night) => office(own, night),
            Self::Weekly(swing) => weekend(own) * (1.0 + swing * (own / DAY * TAU).sin()),
            Self::Ramp { low, from_s, lasts_s } => {
                low + (1.0 - low) * ((own - from_s) / lasts_s).clamp(0.0, 1.0)
            }
        }
    }
}

/// Two peaks of a weekday, at 10 and at 15 o'clock, above the night's load; a third of them at the weekend.
fn office(own: f64, night: f64) -> f64 {
    let hour = own.rem_euclid(DAY) / HOUR;
    let peak = |at: f64| (-((hour - at) / 2.5).powi(2)).exp();
    night + weekend(own) * (1.6 - night) * (peak(10.0) + peak(15.0)).min(1.0)
}

/// A third at the weekend.
fn weekend(own: f64) -> f64 {
    if (own / DAY).rem_euclid(7.0) >= 5.0 { 0.33 } else { 1.0 }
}

impl Part {
    fn bytes(&self, own: f64, work: f64, load: f64) -> f64 {
        match self {
            Self::Base(bytes) => *bytes,
            Self::InFlight(bytes) => bytes * load,
            Self::Leak { rate, from_s } => rate * (work - from_s).max(0.0),
            Self::Jobs { rate, every_s } => rate * every_s * (work / every_s).floor(),
            Self::Table { rate, slots } => table(rate * work, *slots),
            Self::Fill { size, from_s, lasts_s } => size * ((own - from_s) / lasts_s).clamp(0.0, 1.0),
            Self::Saturating { size, tau_s, power } => size * (1.0 - (-(own / tau_s).powf(*power)).exp()),
            Self::Sawtooth { size, every_s } => size * (own / every_s).fract(),
            Self::Sessions { rate, from_s, lasts_s } => rate * load * (own - from_s).clamp(0.0, *lasts_s),
            Self::Loaded(size, ages) => size * ages.iter().filter(|age| own >= **age).count() as f64,
            Self::Recorded(points) => between(points, own),
        }
    }
}

/// The value at `own` of the line through `points`; beyond its ends, that of the end.
fn between(points: &[(f64, f64)], own: f64) -> f64 {
    let next = points.partition_point(|point| point.0 <= own);
    match (next.checked_sub(1).and_then(|i| points.get(i)), points.get(next)) {
        (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (own - a.0) / (b.0 - a.0),
        (Some(end), None) | (None, Some(end)) => end.1,
        (None, None) => 0.0,
    }
}

/// Bytes of entries that hold `bytes` with their slots, where the slots are there in powers of two.
fn table(bytes: f64, slots: f64) -> f64 {
    let entries = bytes * (1.0 - slots);
    let used = (bytes * slots).max(1024.0);
    // A table is two thirds full on the average over a doubling: 1.5 times what is used.
    entries + used.log2().ceil().exp2() * 0.72
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_what_their_names_say() {
        let at = |part: Part, own: f64| part.bytes(own, own, 1.0);
        let lines = Part::Recorded(vec![(2.0, 10.0), (4.0, 20.0)]);
        for (part, own, bytes) in [
            (Part::Leak { rate: 2.0, from_s: 10.0 }, 15.0, 10.0),
            (Part::Jobs { rate: 2.0, every_s: 10.0 }, 29.0, 40.0),
            (Part::Fill { size: 8.0, from_s: 4.0, lasts_s: 8.0 }, 8.0, 4.0),
            (Part::Sessions { rate: 2.0, from_s: 4.0, lasts_s: 8.0 }, 20.0, 16.0),
            (Part::Sawtooth { size: 8.0, every_s: 4.0 }, 7.0, 6.0),
            (Part::Loaded(5.0, vec![1.0, 2.0, 9.0]), 3.0, 10.0),
            (lines.clone(), 1.0, 10.0),
            (lines.clone(), 3.0, 15.0),
            (lines, 9.0, 20.0),
        ] {
            assert_eq!(Some(at(part.clone(), own)), Some(bytes), "{part:?}");
        }
        let doubling = |own| at(Part::Table { rate: 1024.0, slots: 1.0 }, own);
        assert!(doubling(33.0) > 1.9 * doubling(31.0));
    }

    #[test]
    fn loads_have_their_day() {
        let office = |hour: f64| Load::Office(0.3).at(hour * HOUR);
        let weekly = |day: f64| Load::Weekly(0.5).at(day * DAY);
        assert!(weekly(2.25) > 1.49 && weekly(2.75) < 0.51 && weekly(5.25) < 0.5);
        assert!(office(10.0) > 1.5 && office(3.0) < 0.35 && office(10.0 + 24.0 * 5.0) < 0.8);
        let ramp = Load::Ramp { low: 0.5, from_s: 10.0, lasts_s: 10.0 };
        assert_eq!((ramp.at(0.0), ramp.at(15.0), ramp.at(900.0)), (0.5, 0.75, 1.0));
    }
}

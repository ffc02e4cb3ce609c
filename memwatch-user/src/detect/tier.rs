//! From the answers to a level, for one moment; [`super::heap`] makes levels last.

use super::{
    Level,
    gates::Gate,
    shape::{MIN_POINTS, Shape},
};

const MIB: f64 = 1_048_576.0;
/// Fewest points that show stability.
const MIN_STABLE: usize = 3;
/// Nobody can say after less time that a process is stable.
const MIN_STABLE_S: f64 = 30.0;
/// Four points are judged by their increments alone.
const FOUR: usize = 4;
/// Retention above which one evaluation is enough: leaks were seen between .44 and .94, healthy processes below .08.
const HIGH_RETENTION: f64 = 0.4;
/// A younger process than this may still be starting.
const GROWN_UP_S: f64 = 45.0;
/// A batch is loaded, a buffer filled and flushed in less.
const MIN_LEAK_S: f64 = 30.0;
/// The same where the growth is blatant.
const MIN_BLATANT_S: f64 = 15.0;
/// It may be less where the end is near: this share of the time left, but no less than [`MIN_URGENT_S`].
const URGENT_SHARE: f64 = 0.2;
/// See [`URGENT_SHARE`].
const MIN_URGENT_S: f64 = 5.0;
/// Blatant is what would use up the limit within this time: waiting costs more than being wrong.
const BLATANT_LEFT_S: f64 = 3600.0;
/// Where the limit is not known, blatant is this many bytes a second.
const BLATANT_RATE: f64 = MIB;

/// A level, and whether it must be confirmed by the next mark-compact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The level.
    pub level: Level,
    /// A [`Level::Leak`] that one evaluation is not enough for.
    pub unconfirmed: bool,
}

/// The level that `shape` and the answers about it amount to. `watched` and `age` (both seconds) are how long the
/// isolate has been watched and how old it is now.
#[must_use]
pub fn tier(shape: &Shape, gates: &[Gate], watched: f64, age: f64) -> Tier {
    let plain = |level| Tier { level, unconfirmed: false };
    let n = shape.points.len();
    if n >= MIN_POINTS && gates.iter().all(|gate| gate.pass) {
        let at_once = shape.retention.is_some_and(|s| s > HIGH_RETENTION);
        let proven = age >= GROWN_UP_S && shape.span() >= MIN_LEAK_S;
        return match (at_once, proven || is_blatant(shape)) {
            (_, false) => plain(Level::Suspect),
            (at_once, true) => Tier { level: Level::Leak, unconfirmed: !at_once },
        };
    }
    if is_steep_run(shape) {
        return plain(Level::Suspect);
    }
    if is_growing(shape) {
        return plain(Level::Growing);
    }
    let is_flat = n >= MIN_POINTS || shape.last().1 - shape.first().1 <= material(shape);
    let long_enough = n >= MIN_STABLE && watched >= MIN_STABLE_S;
    plain(if is_flat && long_enough { Level::Stable } else { Level::Inconclusive })
}

/// Growth that cannot wait: nearly all stays, it has doubled the heap, does not slow down and ends within the hour.
fn is_blatant(shape: &Shape) -> bool {
    let left = shape.seconds_left();
    let long_enough =
        left.map_or(MIN_BLATANT_S, |left| (left * URGENT_SHARE).clamp(MIN_URGENT_S, MIN_BLATANT_S));
    shape.span() >= long_enough
        && shape.retention.is_some_and(|s| s > HIGH_RETENTION)
        && shape.rise() >= 16.0 * MIB
        && shape.last().1 >= 2.0 * shape.first().1
        && shape.persistence() >= 0.8
        && left.map_or(shape.trend.slope >= BLATANT_RATE, |left| left < BLATANT_LEFT_S)
}

/// Four points that rise evenly and keep what comes: 13 of 13 such were leaks in a pilot, but four are few.
fn is_steep_run(shape: &Shape) -> bool {
    let rates: Vec<f64> = shape.points.windows(2).map(|w| (w[1].1 - w[0].1) / (w[1].0 - w[0].0)).collect();
    let (low, high) = rates.iter().fold((f64::INFINITY, 0.0_f64), |(l, h), &r| (l.min(r), h.max(r)));
    shape.points.len() == FOUR
        && low > 0.0
        && high <= 2.0 * low
        && shape.retention.is_some_and(|s| s > HIGH_RETENTION)
        && shape.rise() > 2.0 * MIB
}

fn is_growing(shape: &Shape) -> bool {
    let has_levelled_off = shape.persistence() < 0.1;
    shape.trend.p <= 0.05 && shape.rise() > material(shape) && !has_levelled_off
}

/// Less than this is no growth.
fn material(shape: &Shape) -> f64 {
    MIB.max(0.05 * shape.first().1)
}

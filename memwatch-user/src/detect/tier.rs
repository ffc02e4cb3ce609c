//! From the answers to a level, for one moment; [`super::heap`] makes levels last.

use super::{
    Level, few,
    shape::{MIN_POINTS, Shape},
};
use crate::{
    series::Climb,
    vocabulary::{Question, Reason},
};

const MIB: f64 = 1_048_576.0;
/// Fewest points that show stability.
const MIN_STABLE: usize = 3;
/// Nobody can say after less time that a process is stable.
const MIN_STABLE_S: f64 = 30.0;
/// Four points are judged by their increments alone.
const FOUR: usize = 4;
/// See [`is_last_call`]: of the room that was there, this share is used up,
const LAST_CALL_SHARE: f64 = 0.25;
/// and the rest lasts for so many seconds.
const LAST_CALL_S: f64 = 600.0;
/// Retention above which one evaluation is enough: leaks were seen between .44 and .94, healthy processes below .08.
pub(super) const HIGH_RETENTION: f64 = 0.4;

/// A level, and whether it must be confirmed by the next mark-compact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The level.
    pub level: Level,
    /// A [`Level::Leak`] that one evaluation is not enough for.
    pub unconfirmed: bool,
}

/// The level that `shape` and the answers about it amount to, for an isolate that has been watched for `watched` seconds.
/// `climbs` led to its last points, as far as they are known.
#[must_use]
pub fn tier(shape: &Shape, climbs: &[Option<Climb>], gates: &[Reason], watched: f64) -> Tier {
    let plain = |level| Tier { level, unconfirmed: false };
    let n = shape.points.len();
    if n >= MIN_POINTS
        && gates.iter().all(|answer| answer.passes() || answer.question() == Some(Question::Lasting))
    {
        let has_lasted = gates.iter().all(Reason::passes);
        let unconfirmed = shape.retention.is_none_or(|s| s <= HIGH_RETENTION);
        return if has_lasted { Tier { level: Level::Leak, unconfirmed } } else { plain(Level::Suspect) };
    }
    if few::is_leak(shape, climbs, gates) {
        return plain(Level::Leak);
    }
    if is_steep_run(shape) {
        return plain(if is_last_call(shape) { Level::Leak } else { Level::Suspect });
    }
    if is_growing(shape) {
        return plain(Level::Growing);
    }
    let is_flat = n >= MIN_POINTS || shape.last().1 - shape.first().1 <= material(shape);
    let long_enough = n >= MIN_STABLE && watched >= MIN_STABLE_S;
    plain(if is_flat && long_enough { Level::Stable } else { Level::Inconclusive })
}

/// Four points that rise evenly and keep what comes: 13 of 13 such were leaks in a pilot, but four are few.
fn is_steep_run(shape: &Shape) -> bool {
    shape.points.len() == FOUR
        && few::is_even(shape, 2.0)
        && shape.retention.is_some_and(|s| s > HIGH_RETENTION)
        && shape.rise() > 2.0 * MIB
}

/// Who waits for a fifth point here may see the end first: a leak of gigabytes an hour has its mark-compacts further
/// apart the larger the heap becomes.
fn is_last_call(shape: &Shape) -> bool {
    let rise = shape.last().1 - shape.first().1;
    shape.limit.is_some_and(|limit| rise > LAST_CALL_SHARE * (limit - shape.first().1))
        && shape.seconds_left().is_some_and(|left| left < LAST_CALL_S)
}

fn is_growing(shape: &Shape) -> bool {
    let has_levelled_off = shape.persistence() < 0.1;
    shape.trend.p <= 0.05 && shape.rise() > material(shape) && !has_levelled_off
}

/// Less than this is no growth.
fn material(shape: &Shape) -> f64 {
    MIB.max(0.05 * shape.first().1)
}

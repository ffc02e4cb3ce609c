//! From the answers to a level, for one moment; [`super::heap`] makes levels last.

use super::{
    Level, few,
    shape::{MIN_POINTS, Shape},
    trend::Z_95,
};
use crate::{
    series::Climb,
    vocabulary::{Question, Reason},
};

const MIB: f64 = 1_048_576.0;
/// Nobody can say after less time that a process is stable.
pub(super) const MIN_STABLE_S: f64 = 30.0;
/// See [`excludes_growth`].
const HOUR_S: f64 = 3600.0;
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
pub(crate) struct Tier {
    /// The level.
    pub level: Level,
    /// A [`Level::Leak`] that one evaluation is not enough for.
    pub unconfirmed: bool,
}

/// The level that `shape` and the answers about it amount to, for an isolate that has been watched for `watched` seconds.
/// `climbs` led to its last points, as far as they are known.
#[must_use]
pub(crate) fn tier(shape: &Shape, climbs: &[Option<Climb>], gates: &[Reason], watched: f64) -> Tier {
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
    let is_stable = n >= MIN_POINTS && watched >= MIN_STABLE_S && excludes_growth(shape);
    plain(if is_stable { Level::Stable } else { Level::Inconclusive })
}

/// Whether the interval of the rate leaves no growth that matters: it holds zero, or nothing material would come at its
/// upper end within the hour. Three points that rose by 100 kB a second on top of 100 MB had grown by too little to call it
/// growth, and were called stable.
pub(super) fn excludes_growth(shape: &Shape) -> bool {
    let [low, high] = shape.trend.interval(Z_95);
    let is_little = |rate: f64| rate * HOUR_S <= material(shape);
    low.is_some_and(|low| low <= 0.0) || high.is_some_and(is_little)
}

/// Seconds until growth that goes on as it does has become material.
pub(super) fn material_in(shape: &Shape) -> Option<f64> {
    let missing = material(shape) - shape.rise();
    (shape.trend.slope > 0.0 && missing > 0.0).then(|| missing / shape.trend.slope)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        detect::{basis::Basis, gates},
        series::Valley,
    };

    /// The level of a heap of `mib` after full collections that are `every` seconds apart, under a limit of 4 GiB.
    fn level(mib: &[f64], every: f64) -> Level {
        let valley = |(i, mib): (usize, &f64)| Valley {
            t: every * i as f64,
            after: mib * MIB,
            retention: Some(0.05),
            ..Valley::default()
        };
        let valleys: Vec<Valley> = mib.iter().enumerate().map(valley).collect();
        let shape = Shape::of(&valleys, 1e6, Some(4 << 30)).unwrap();
        tier(&shape, &[], &gates::all(Basis::FullCollections, &shape), 1000.0).level
    }

    #[test]
    fn stable_is_said_only_where_growth_is_excluded() {
        use Level::{Inconclusive, Stable};
        for (name, mib, every, expected) in [
            ("three that rise by 100 kB a second", &[105.0, 106.3, 107.6][..], 14.0, Inconclusive),
            ("three that are level: too few to tell", &[105.0, 105.0, 105.0], 14.0, Inconclusive),
            ("five that rise by 70 kB a second", &[105.0, 106.0, 107.0, 108.0, 109.0], 14.0, Inconclusive),
            ("five that are level", &[105.0, 105.2, 104.9, 105.1, 105.0], 14.0, Stable),
            ("five that rise by 1 MB an hour", &[105.0, 105.1, 105.2, 105.3, 105.4], 360.0, Stable),
        ] {
            assert_eq!(level(mib, every), expected, "{name}");
        }
    }
}

//! Is it a leak, when there are too few mark-compacts for statistics?
//!
//! A process that keeps nearly all that it promotes has few: V8 lets the heap grow by a factor before the next (seven of
//! forty leaks had three or four in 150 s, while their heaps doubled or tripled). Chance has no part in that, and what is
//! left is a cache that fills, which only time tells apart. Where churn hides what stays, scavenges tell: if the heap
//! climbs between mark-compacts as fast as what mark-compacts leave, then that is what it climbs by.

use super::shape::{EVENNESS, MIN_POINTS, STEP_TIME_SHARE, Shape};
use crate::{
    series::Climb,
    vocabulary::{Question, Reason, Seen},
};

const MIB: f64 = 1_048_576.0;
/// Fewest points, of which one may be the birth,
const FEW: usize = 3;
/// and, if there are no more than that, for how many seconds.
const FEW_S: f64 = 90.0;
/// Bytes that it must have grown by.
const RISE: f64 = 8.0 * MIB;
/// How much of what came must have stayed,
const RETENTION: f64 = 0.7;
/// and how many times its size the heap must have grown to, where scavenges do not show its course.
const MANIFOLD: f64 = 2.0;

/// Whether `shape` is plainly a leak's. `climbs` are those that led to its last points, as far as they are known.
pub(super) fn is_leak(shape: &Shape, climbs: &[Option<Climb>], gates: &[Reason]) -> bool {
    let n = shape.points.len();
    let is_denied = |answer: &Reason| {
        !answer.passes() && matches!(answer.question(), Some(Question::Lasting | Question::Independent))
    };
    (FEW..MIN_POINTS).contains(&n)
        && (n > FEW || shape.span() >= FEW_S)
        && shape.rise() >= RISE
        && is_even(shape, EVENNESS)
        && !gates.iter().any(is_denied)
        && !climbs.iter().flatten().any(is_step)
        && (shape.measured >= FEW && keeps_nearly_all(shape) || is_parallel(shape, climbs))
}

/// Why it is one.
pub(super) fn why(shape: &Shape) -> Reason {
    let full_collections = shape.measured as u64;
    Reason::test(Seen::Even { full_collections, retained_share: shape.retention }, true)
}

/// Whether each point is above the last, at rates within a factor.
pub(super) fn is_even(shape: &Shape, factor: f64) -> bool {
    let (low, high) = rates(shape).fold((f64::INFINITY, 0.0_f64), |(l, h), r| (l.min(r), h.max(r)));
    low > 0.0 && high <= factor * low
}

fn rates(shape: &Shape) -> impl DoubleEndedIterator<Item = f64> {
    shape.points.windows(2).map(|w| (w[1].1 - w[0].1) / (w[1].0 - w[0].0))
}

/// A data set that is loaded makes a mark-compact come, and more so the larger it is: three of growing size, evenly
/// spaced, are a line of mark-compacts.
fn is_step(climb: &Climb) -> bool {
    climb.half < STEP_TIME_SHARE
}

fn keeps_nearly_all(shape: &Shape) -> bool {
    shape.retention.is_some_and(|s| s > RETENTION) && shape.last().1 >= MANIFOLD * shape.first().1
}

/// Whether all climbs are known, and each was about as fast as what mark-compacts leave.
fn is_parallel(shape: &Shape, climbs: &[Option<Climb>]) -> bool {
    let is_as_fast = |(rate, climb): (f64, &Option<Climb>)| {
        climb.is_some_and(|climb| rate > RETENTION * climb.rate && climb.rate > RETENTION * rate)
    };
    !climbs.is_empty() && rates(shape).rev().zip(climbs.iter().rev()).all(is_as_fast)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        detect::{basis::Basis, gates},
        series::Valley,
    };

    /// Whether mark-compacts that leave `mib`, fifty seconds apart, are a leak's, with the `climbs` between them (MiB a
    /// second, and the share of the time that half of it took) and what stayed of what came.
    fn is_a_leak(mib: &[f64], climbs: &[Option<(f64, f64)>], retention: f32) -> bool {
        let valley = |(i, mib): (usize, &f64)| Valley {
            t: 5.0 + 50.0 * i as f64,
            after: mib * MIB,
            retention: Some(retention),
            ..Valley::default()
        };
        let valleys: Vec<Valley> = mib.iter().enumerate().map(valley).collect();
        let climb = |(rate, half)| Climb { rate: rate * MIB, half };
        let climbs: Vec<_> = climbs.iter().map(|known| known.map(climb)).collect();
        let shape = Shape::of(&valleys, 5.0, None);
        shape.is_some_and(|shape| is_leak(&shape, &climbs, &gates::all(Basis::FullCollections, &shape)))
    }

    #[test]
    fn what_few_mark_compacts_tell() {
        let even = Some((0.4, 0.4));
        for (name, mib, climbs, retention, leaks) in [
            ("keeps all", &[10.0, 30.0, 50.0][..], &[None, None][..], 0.9, true),
            ("keeps little, for all one knows", &[10.0, 30.0, 50.0], &[None, None], 0.4, false),
            ("climbs by what stays", &[10.0, 30.0, 50.0], &[even, even], 0.4, true),
            ("climbs faster", &[10.0, 30.0, 50.0], &[even, Some((0.8, 0.4))], 0.4, false),
            ("of one climb nothing is known", &[10.0, 30.0, 50.0], &[even, None], 0.4, false),
            ("data sets", &[10.0, 30.0, 50.0], &[Some((0.4, 0.02)), None], 0.9, false),
            ("not even", &[10.0, 15.0, 50.0], &[None, None], 0.9, false),
            ("little", &[4.0, 7.0, 10.0], &[None, None], 0.9, false),
        ] {
            assert_eq!(is_a_leak(mib, climbs, retention), leaks, "{name}");
        }
    }

    #[test]
    fn the_birth_is_a_third_point_where_the_course_is_known() {
        let valley = |t, mib| Valley { t, after: mib * MIB, retention: Some(0.9), ..Valley::default() };
        let shape = Shape::of(&[valley(40.0, 44.0), valley(140.0, 84.0)], 60.0, None).unwrap();
        let leaks = |climb| is_leak(&shape, &[climb], &gates::all(Basis::FullCollections, &shape));
        assert!(!leaks(None) && leaks(Some(Climb { rate: 0.4 * MIB, half: 0.4 })));
    }
}

//! Why a verdict on a heap is what it is.

use super::{
    Level,
    basis::Basis,
    few,
    gates::hourly,
    shape::{MIN_POINTS, Shape},
    tier::{MIN_STABLE_S, material_in},
    trend::median,
};
use crate::vocabulary::{Counted, Reason, Seen, reason::Course};

/// Why nothing can be said about an isolate of which `seen` full collections (or takes) were seen, at those `times`.
pub(super) fn too_few(basis: Basis, seen: u64, times: &[f64]) -> Reason {
    few(basis, seen, wait(times))
}

/// What `shape` shows, and the answers about it, where they amount to `level` after `watched` seconds.
pub(super) fn of(basis: Basis, shape: &Shape, gates: &[Reason], level: Level, watched: f64) -> Vec<Reason> {
    let seen = Reason::plain(Seen::Course(course(basis, shape)));
    if shape.measured >= MIN_POINTS {
        let missing = (level == Level::Inconclusive).then(|| missing(shape, watched));
        return [seen].into_iter().chain(missing).chain(gates.iter().cloned()).collect();
    }
    let times: Vec<f64> = shape.points.iter().map(|point| point.0).collect();
    let times = &times[times.len() - shape.measured..];
    let too_few = || few(basis, shape.measured as u64, wait(times));
    vec![seen, if level == Level::Leak { few::why(shape) } else { too_few() }]
}

/// What is missing for a verdict although there are enough full collections.
fn missing(shape: &Shape, watched_s: f64) -> Reason {
    Reason::plain(if watched_s < MIN_STABLE_S {
        Seen::ShortWatch { watched_s, needed_s: MIN_STABLE_S }
    } else {
        Seen::NotExcluded { wait_s: material_in(shape) }
    })
}

fn course(basis: Basis, shape: &Shape) -> Course {
    let (n, is_read) = (shape.measured as u64, basis.is_read());
    Course {
        of: if is_read { Counted::Reachable } else { Counted::Heap },
        first: shape.first().1,
        last: shape.last().1,
        span_s: shape.span(),
        rate_per_hour: hourly(shape.trend.slope),
        full_collections: (!is_read).then_some(n),
        takes: is_read.then_some(n),
        since_birth: shape.measured < shape.points.len(),
    }
}

fn few(basis: Basis, n: u64, wait_s: Option<f64>) -> Reason {
    let needed = MIN_POINTS as u64;
    Reason::plain(if basis.is_read() {
        Seen::FewTakes { takes: n, needed, wait_s }
    } else {
        Seen::FewCollections { full_collections: n, needed, wait_s }
    })
}

/// About how long the full collections that are missing will take, if they come as those did that came.
fn wait(times: &[f64]) -> Option<f64> {
    let missing = MIN_POINTS.checked_sub(times.len())?;
    let mut intervals: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    median(&mut intervals).map(|interval| interval * missing as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_what_the_missing_ones_take() {
        assert_eq!(wait(&[5.0, 19.0, 33.0]), Some(28.0));
        assert_eq!((wait(&[5.0]), wait(&[])), (None, None));
    }
}

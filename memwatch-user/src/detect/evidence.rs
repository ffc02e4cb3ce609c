//! Why a verdict on a heap is what it is.

use super::{
    Level, few,
    gates::hourly,
    shape::{MIN_POINTS, Shape},
    trend::median,
};
use crate::vocabulary::{Counted, Reason, Seen, reason::Course};

/// Why nothing can be said about an isolate of which `seen` full collections were seen.
pub(super) fn too_few(seen: u64) -> Reason {
    few_collections(seen, None)
}

/// What `shape` shows, and the answers about it, where they amount to `level`.
pub(super) fn of(shape: &Shape, gates: &[Reason], level: Level) -> Vec<Reason> {
    let seen = Reason::plain(Seen::Course(course(shape)));
    if shape.mark_compacts >= MIN_POINTS {
        return std::iter::once(seen).chain(gates.iter().cloned()).collect();
    }
    let few = || few_collections(shape.mark_compacts as u64, wait(shape));
    vec![seen, if level == Level::Leak { few::why(shape) } else { few() }]
}

fn course(shape: &Shape) -> Course {
    Course {
        of: Counted::Heap,
        first: shape.first().1,
        last: shape.last().1,
        span_s: shape.span(),
        rate_per_hour: hourly(shape.trend.slope),
        full_collections: Some(shape.mark_compacts as u64),
        since_birth: shape.mark_compacts < shape.points.len(),
    }
}

fn few_collections(full_collections: u64, wait_s: Option<f64>) -> Reason {
    Reason::plain(Seen::FewCollections { full_collections, needed: MIN_POINTS as u64, wait_s })
}

/// About how long the full collections that are missing will take, if they come as those did that came.
fn wait(shape: &Shape) -> Option<f64> {
    let missing = MIN_POINTS.checked_sub(shape.mark_compacts)?;
    let times = &shape.points[shape.points.len() - shape.mark_compacts..];
    let mut intervals: Vec<f64> = times.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    median(&mut intervals).map(|interval| interval * missing as f64)
}

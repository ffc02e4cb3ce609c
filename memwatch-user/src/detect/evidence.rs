//! What was seen, in words.

use super::{
    Level, few,
    gates::{Gate, hourly},
    shape::{MIN_POINTS, Shape},
};
use crate::units::{size, span};

/// Why nothing can be said about an isolate of which `seen` mark-compacts were seen.
pub(super) fn too_few(seen: u64) -> String {
    match seen {
        0 => "no mark-compact so far".to_owned(),
        1 => "only one mark-compact so far".to_owned(),
        _ => format!("only {seen} mark-compacts so far"),
    }
}

/// What `shape` shows, and the answers about it, where they amount to `level`.
pub(super) fn of(shape: &Shape, gates: &[Gate], level: Level) -> Vec<String> {
    let (from, to) = (size(shape.first().1), size(shape.last().1));
    let (n, lasted, rate) = (shape.mark_compacts, span(shape.span()), hourly(shape.trend.slope));
    let since = if n < shape.points.len() { " since its birth" } else { "" };
    let seen = format!("heap after mark-compacts: {from} to {to} in {lasted} and {n} of them{since}, {rate}");
    if n < MIN_POINTS {
        let needed = || {
            format!("{MIN_POINTS} mark-compacts are needed for a verdict of leak, or fewer that are plain")
        };
        return vec![seen, if level == Level::Leak { few::why(shape) } else { needed() }];
    }
    std::iter::once(seen).chain(gates.iter().map(Gate::evidence)).collect()
}

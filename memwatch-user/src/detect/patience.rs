//! How long must growth last before it is called a leak? Until it is full, a cache that fills evenly is a leak: no look
//! at sizes tells them apart. What does is that caches get full, and that waiting costs little while much is left.
//!
//! A call needs one of three: the growth is more than a cache of such a process may be; it has used up more of the room
//! below the limit than anybody gives to a cache; it has lasted longer than caches take. The first is what a small
//! process that leaks fast meets within the minute, the second a large one that leaks fast, the third a slow leak.

use super::{basis::Basis, shape::Shape};
use crate::vocabulary::{Reason, Seen};

const MIB: f64 = 1_048_576.0;
/// Batches are loaded, buffers filled and flushed, small caches full within these: the first holds for a heap that has
/// grown to [`MANIFOLD`] times its size on top, the second for one that has grown by less.
const LEAST_S: [f64; 2] = [45.0, 75.0];
/// See [`LEAST_S`].
const MANIFOLD: f64 = 2.75;
/// It may be less where the end is near: this share of the time from the beginning of the growth to the limit.
const URGENT_SHARE: f64 = 0.1;
/// See [`URGENT_SHARE`].
const LEAST_URGENT_S: f64 = 15.0;
/// See [`SMALL_HEAP`].
const DOUBLING_S: f64 = 30.0;
/// A heap of this size that has doubled in [`LEAST_S`] is beyond its caches. Larger ones have larger caches, and have
/// shown less by doubling: each doubling of the base asks for eight times the growth in time.
const SMALL_HEAP: f64 = 16.0 * MIB;
/// Share of the room below the limit that a cache may take.
const CACHE_SHARE: f64 = 0.15;
/// Caches are full, or have visibly slowed down, after this time.
const LONGEST_S: f64 = 3.0 * 3600.0;

/// What one place of the program's own holds is beside its cache, not beside the heap: of a process that is past its start, other
/// caches are full. It takes so many times less than beside the heap as a whole,
const PART_OF_HEAP: f64 = 8.0;
/// and lasts so long at least.
const LEAST_HELD_S: f64 = 30.0;

/// Has it lasted long enough for what it is?
#[must_use]
pub(super) fn gate(basis: Basis, shape: &Shape) -> Reason {
    let due = if basis == Basis::TakesOfHolder { due_of_holder(shape) } else { due(shape) };
    let lasted = shape.last().0 - shape.onset.0;
    let (growth, base) = (shape.last().1 - shape.onset.1, shape.onset.1);
    Reason::test(Seen::Lasting { growth, base, span_s: lasted, due_s: due }, lasted >= due)
}

/// Seconds of growth from which it is called, if it goes on as it does.
fn due(shape: &Shape) -> f64 {
    due_beside(shape, shape.onset.1, shape.base, LEAST_S[0])
}

fn due_of_holder(shape: &Shape) -> f64 {
    due_beside(shape, shape.onset.1 / PART_OF_HEAP, shape.base / PART_OF_HEAP, LEAST_HELD_S)
}

/// The same beside `base` bytes, grown to from `held` bytes; after `least` seconds at least.
fn due_beside(shape: &Shape, base: f64, held: f64, least: f64) -> f64 {
    let (base, slope) = (base.max(MIB), shape.trend.slope);
    if slope <= 0.0 {
        return LONGEST_S;
    }
    let doubling = base / slope;
    let total = shape.limit.map_or(f64::INFINITY, |limit| (limit - base).max(0.0) / slope);
    // Where span = DOUBLING_S · (held / SMALL_HEAP)³ · (held / rise)², and rise = slope · span.
    let held = held.max(MIB);
    let by_size = held / SMALL_HEAP * (DOUBLING_S * (held / slope).powi(2)).cbrt();
    let by_size = by_size.max((MANIFOLD * doubling).clamp(least, LEAST_S[1]));
    let by_room = CACHE_SHARE * total;
    let soon = (URGENT_SHARE * total).clamp(LEAST_URGENT_S, least);
    by_size.min(by_room).clamp(soon, LONGEST_S)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::Valley;

    /// When growth from `base` MiB by `rate` MiB a second under a limit of 2 GiB is due, seconds.
    fn due_of(base: f64, rate: f64) -> f64 {
        let valley = |i: u32| {
            let t = f64::from(i) * 10.0;
            Valley { t, after: (base + rate * t) * MIB, ..Valley::default() }
        };
        due(&Shape::of(&[0, 1, 2, 3, 4].map(valley), 1e6, Some(2 << 30)).unwrap())
    }

    #[test]
    fn each_size_and_speed_has_its_time() {
        for (name, base, rate, seconds) in [
            ("small and fast", 5.0, 1.0, 45.0..46.0),
            ("small and slow", 5.0, 0.05, 75.0..76.0),
            ("half-way in size", 40.0, 1.0, 85.0..95.0),
            ("a cache of 45 MiB in a quarter of an hour", 45.0, 0.05, 800.0..900.0),
            ("large and fast: 15 % of the room", 1000.0, 3.0, 50.0..55.0),
            ("large and slow", 1000.0, 0.0003, LONGEST_S..LONGEST_S + 1.0),
            ("dead within the minute", 1000.0, 30.0, 15.0..16.0),
            ("not growing", 100.0, 0.0, LONGEST_S..LONGEST_S + 1.0),
        ] {
            assert!(seconds.contains(&due_of(base, rate)), "{name}: {}", due_of(base, rate));
        }
    }
}

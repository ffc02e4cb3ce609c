//! What looking costs the targets, CPU seconds: counts of what happened, times what `cargo xtask bench` measured
//! (docs/performance.md).

/// A hit of a probe in a watched process: the trap, and our program where it has little to do.
const HIT_S: f64 = 0.96e-6;
/// A walk of a stack, of a sample or where a collection starts: 4.2 µs at 8 functions, 8.0 µs at 32.
const WALK_S: f64 = 5e-6;
/// The return of a slow path of allocation, where what is made is followed: two traps, and mostly nothing to do. By hand, in a loop
/// of Node 18 with 160 000 a second: 4.4 µs a round with it, 2.9 µs without.
const RETURN_S: f64 = 1.5e-6;
/// Hits of a collection.
const HITS_OF_COLLECTION: f64 = 5.1;

/// Of so many collections.
pub(crate) fn of_collections(collections: u64) -> f64 {
    collections as f64 * HITS_OF_COLLECTION * HIT_S
}

/// What a process was charged for stacks of JavaScript so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Charge {
    /// Hits of the probes on allocations.
    pub(crate) hits: u64,
    /// CPU seconds.
    pub(crate) seconds: f64,
}

impl Charge {
    /// For so many hits of probes on allocations, and walks of stacks; whether what is made is `followed`.
    pub(crate) fn of(hits: u64, walks: u64, followed: bool) -> Self {
        let each = if followed { HIT_S + RETURN_S } else { HIT_S };
        Self { hits, seconds: hits as f64 * each + walks as f64 * WALK_S }
    }

    /// What was added to it since it was `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            hits: self.hits.saturating_sub(before.hits),
            seconds: (self.seconds - before.seconds).max(0.0),
        }
    }
}

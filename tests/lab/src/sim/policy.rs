//! When V8 collects the whole heap: the growing policy of V8 11.3, which Node 20 contains.
//!
//! After each mark-compact V8 sets the old generation's allocation limit: the live size times a factor that keeps
//! JavaScript at 97 % of the time (`MemoryController::GrowingFactor`, src/heap/heap-controller.cc), at least 8 MB more
//! than is live, at most half-way to the heap's limit (`BoundAllocationLimit`, same file). Marking begins a young
//! generation's capacity below (`Heap::IncrementalMarkingLimitReached`, src/heap/heap.cc), which takes the capacity
//! that was added to the limit away again.

use crate::MIB;

/// What a mark-compact gets through, bytes a second: the order of what V8 reports as its speed on small servers.
pub const GC_SPEED: f64 = 400.0 * MIB;
/// `V8HeapTrait::kTargetMutatorUtilization`.
const UTILIZATION: f64 = 0.97;
/// `kMinGrowingFactor`.
const LEAST_FACTOR: f64 = 1.1;
/// `MinimumAllocationLimitGrowingStep`: 8 MB.
const LEAST_STEP: f64 = 8.0 * MIB;
/// `MaxGrowingFactor`: heaps from 2 GB on may quadruple, smaller ones grow by 1.3 at 256 MB to 2 at 2 GB.
const LARGE_HEAP: f64 = 2048.0 * MIB;
const SMALL_HEAP: f64 = 256.0 * MIB;

/// The old generation's allocation limit.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The heap's limit, bytes.
    pub limit: f64,
    /// Marking begins at this many bytes.
    pub threshold: f64,
}

impl Policy {
    /// For a heap that may grow to `limit` bytes.
    #[must_use]
    pub const fn new(limit: f64) -> Self {
        Self { limit, threshold: limit }
    }

    /// Sets the threshold after a mark-compact that left `live` bytes, where `speed` bytes a second come.
    pub fn grow(&mut self, live: f64, speed: f64) {
        let wanted = (live * factor(speed, max_factor(self.limit))).max(live + LEAST_STEP);
        self.threshold = wanted.min(f64::midpoint(live, self.limit));
    }
}

/// `DynamicGrowingFactor`.
fn factor(speed: f64, max: f64) -> f64 {
    let a = GC_SPEED / speed.max(1.0) * (1.0 - UTILIZATION);
    let b = a - UTILIZATION;
    let factor = if a < b * max { a / b } else { max };
    factor.max(LEAST_FACTOR)
}

fn max_factor(limit: f64) -> f64 {
    if limit >= LARGE_HEAP {
        return 4.0;
    }
    1.3 + 0.7 * (limit.max(SMALL_HEAP) - SMALL_HEAP) / (LARGE_HEAP - SMALL_HEAP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_is_between_its_bounds_and_rises_with_what_comes() {
        assert!((factor(1.0, 4.0) - 1.1).abs() < 1e-9);
        assert!((factor(1e12, 4.0) - 4.0).abs() < 1e-9);
        // R = 100: a = 3, b = 2.03.
        assert!((factor(4.0 * MIB, 4.0) - 3.0 / 2.03).abs() < 1e-9);
        assert!((max_factor(1152.0 * MIB) - 1.65).abs() < 1e-9);
    }

    #[test]
    fn small_heaps_grow_by_the_step_and_full_ones_half_way() {
        let mut policy = Policy::new(100.0 * MIB);
        policy.grow(10.0 * MIB, 0.1 * MIB);
        assert!((policy.threshold - 18.0 * MIB).abs() < 1.0);
        policy.grow(96.0 * MIB, 0.1 * MIB);
        assert!((policy.threshold - 98.0 * MIB).abs() < 1.0);
    }
}

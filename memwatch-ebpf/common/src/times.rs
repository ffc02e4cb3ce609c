//! How long our programs take at a hit: a histogram for each thing that they do, where the bench asks for it.

/// What a program did at a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Did {
    /// Nothing: an empty program.
    Nothing = 0,
    /// Counted what was allocated: no sample was due.
    Count = 1,
    /// Took a sample: walked the stack.
    Sample = 2,
    /// Noted the start of a collection, with its stack.
    Start = 3,
}

impl Did {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Count, Self::Sample, Self::Start];
}

/// A step of a histogram is 32 ns.
const STEP_SHIFT: u32 = 5;
/// Nanoseconds of a step.
pub const STEP_NS: u32 = 1 << STEP_SHIFT;
/// Steps of a histogram: 65 µs. What takes longer counts in the last.
pub const STEPS: u32 = 2048;
/// Counters of all histograms. Behind them is one element more, by which programs tell each other when they began.
pub const COUNTERS: u32 = (Did::Start as u32 + 1) * STEPS;

/// Which counter of all histograms is that of `did` in `took_ns`.
#[inline(always)]
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the last step is a small number")]
pub const fn counter(did: Did, took_ns: u64) -> u32 {
    let (step, last) = (took_ns >> STEP_SHIFT, STEPS as u64 - 1);
    did as u32 * STEPS + if step < last { step } else { last } as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_histogram_of_its_own() {
        for (did, took_ns, expected) in [
            (Did::Nothing, 31, 0),
            (Did::Nothing, 32, 1),
            (Did::Count, 64, STEPS + 2),
            (Did::Start, u64::MAX, COUNTERS - 1),
        ] {
            assert_eq!(counter(did, took_ns), expected);
        }
    }
}

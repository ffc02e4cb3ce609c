//! How long our programs take at a hit, for the bench. Where it does not ask, the verifier takes all of this away: it knows
//! the values of read-only globals.

use memwatch_common::times::{Did, counter};

use crate::{
    maps::{HIT_TIMES, TIMES_HITS},
    raw,
};

/// When a program begins; 0 where nobody asks.
#[inline(always)]
pub(crate) fn begin() -> u64 {
    if TIMES_HITS.load() == 0 { 0 } else { raw::now_ns() }
}

/// It ends, and did this.
#[inline(always)]
pub(crate) fn end(began: u64, did: Did) {
    if TIMES_HITS.load() != 0
        && let Some(count) = raw::cpu_element(&HIT_TIMES, counter(did, raw::now_ns().wrapping_sub(began)))
    {
        *count += 1;
    }
}

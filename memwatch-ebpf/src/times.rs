//! How long our programs take at a hit, for the bench. Where it does not ask, the verifier takes all of this away: it knows
//! the values of read-only globals.

use memwatch_common::times::{COUNTERS, Did, counter};

use crate::{
    maps::{HIT_TIMES, TIMES_HITS},
    raw,
};

/// When a program begins; 0 where nobody asks.
#[inline(always)]
pub(crate) fn begin() -> u64 {
    if TIMES_HITS.load() == 0 { 0 } else { raw::now_ns() }
}

/// It goes on with another one, which asks for [`handed_on`].
#[inline(always)]
pub(crate) fn hand_on(began: u64) {
    if TIMES_HITS.load() != 0
        && let Some(place) = raw::cpu_element(&HIT_TIMES, COUNTERS)
    {
        *place = began;
    }
}

/// When the program began that this one goes on for.
#[inline(always)]
pub(crate) fn handed_on() -> u64 {
    if TIMES_HITS.load() == 0 {
        return 0;
    }
    raw::cpu_element(&HIT_TIMES, COUNTERS).map_or(0, |began| *began)
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

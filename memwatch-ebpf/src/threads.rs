//! The state of each target thread: where the hits of several probes meet.

use memwatch_common::{collection::ThreadState, loss::LossReason};

use crate::{
    losses,
    maps::{SAMPLERS, THREADS},
    raw,
};

/// The thread's state, if it has one.
#[inline(always)]
pub(crate) fn state(thread: u64) -> Option<&'static mut ThreadState> {
    raw::map_value(&THREADS, thread)
}

/// The thread's state, made if it has none.
#[inline(always)]
pub(crate) fn state_or_new(thread: u64) -> Option<&'static mut ThreadState> {
    if let Some(state) = state(thread) {
        return Some(state);
    }
    if THREADS.insert(thread, ThreadState::IDLE, 0).is_err() {
        losses::count(LossReason::ThreadsFull);
    }
    state(thread)
}

/// Forgets a thread that has ended.
#[inline(always)]
pub(crate) fn forget(thread: u64) {
    raw::remove(&THREADS, thread);
    raw::remove(&SAMPLERS, thread);
}

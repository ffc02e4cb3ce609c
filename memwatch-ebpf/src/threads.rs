//! The state of each target thread: where the hits of several probes meet.

use memwatch_common::{collection::ThreadState, loss::LossReason};

use crate::{
    losses,
    maps::{OBJECTS, SAMPLERS, THREADS},
    raw::{self, Thread},
};

/// The thread's state, if it has one.
#[inline(always)]
pub(crate) fn state(thread: Thread) -> Option<&'static mut ThreadState> {
    raw::own(&THREADS, thread)
}

/// The thread's state, made if it has none.
#[inline(always)]
pub(crate) fn state_or_new(thread: Thread) -> Option<&'static mut ThreadState> {
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
pub(crate) fn forget(thread: Thread) {
    raw::remove(&THREADS, thread);
    raw::remove(&SAMPLERS, thread);
    raw::remove(&OBJECTS, thread);
}

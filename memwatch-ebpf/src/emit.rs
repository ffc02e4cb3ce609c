//! The way out: one event into the ring buffer, or one loss counted.

use memwatch_common::{
    event::{EventHeader, EventKind, ProcessEvent},
    loss::LossReason,
};

use crate::{losses, maps::EVENTS, raw};

/// The header of an event that happens now, to the running thread.
#[inline(always)]
pub(crate) fn header(kind: EventKind) -> EventHeader {
    let current = raw::current();
    EventHeader {
        kind: kind as u32,
        tgid: (current >> 32) as u32,
        tid: current as u32,
        _pad: 0,
        time_ns: raw::now_ns(),
    }
}

/// Sends one event of a heap.
#[inline(always)]
pub(crate) fn event<T: 'static>(event: T) {
    event_or(event, LossReason::RingFull);
}

/// Sends one event of a process as a whole.
#[inline(always)]
pub(crate) fn process_event(event: ProcessEvent) {
    event_or(event, LossReason::ProcessRingFull);
}

#[inline(always)]
fn event_or<T: 'static>(event: T, loss: LossReason) {
    match EVENTS.reserve::<T>(0) {
        Some(mut entry) => {
            entry.write(event);
            entry.submit(0);
        }
        None => losses::count(loss),
    }
}

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
        tgid: current.tgid(),
        tid: current.tid(),
        _pad: 0,
        time_ns: raw::now_ns(),
    }
}

/// Sends one event of a heap.
#[inline(always)]
pub(crate) fn event<T: 'static>(event: T) {
    if !is_sent(event) {
        losses::count(LossReason::RingFull);
    }
}

/// Sends one event of a process as a whole, which need not be the running one.
#[inline(always)]
pub(crate) fn process_event(event: ProcessEvent) {
    let tgid = event.header.tgid;
    if !is_sent(event) {
        losses::count_of(tgid, LossReason::ProcessRingFull);
    }
}

#[inline(always)]
fn is_sent<T: 'static>(event: T) -> bool {
    let Some(mut entry) = EVENTS.reserve::<T>(0) else { return false };
    entry.write(event);
    entry.submit(0);
    true
}

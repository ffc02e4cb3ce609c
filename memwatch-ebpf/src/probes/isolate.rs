//! Birth, death and last breath of an isolate's heap.

use aya_ebpf::{macros::uprobe, programs::ProbeContext};
use aya_log_ebpf::debug;
use memwatch_common::{
    event::{EventKind, HeapEvent, LOCATION_LEN, LimitParts, V8OutOfMemoryEvent},
    loss::LossReason,
    target::{HeapLayout, NO_OFFSET},
};

use crate::{emit, losses, maps::HEAP_LAYOUTS, raw, scope};

/// `Heap::SetUp`: the limit is already configured (`Isolate::Initialize` calls `ConfigureHeap` first).
#[uprobe]
fn heap_set_up(ctx: ProbeContext) -> u32 {
    heap_event(&ctx, EventKind::HeapSetUp)
}

/// `Heap::TearDown`: the heap's address may be used again by the next isolate.
#[uprobe]
fn heap_tear_down(ctx: ProbeContext) -> u32 {
    heap_event(&ctx, EventKind::HeapTearDown)
}

#[inline(always)]
fn heap_event(ctx: &ProbeContext, kind: EventKind) -> u32 {
    let (Some(hit), Some(heap)) = (scope::hit(ctx), ctx.arg::<u64>(0)) else { return 0 };
    let limit = limit(heap, hit.attachment).unwrap_or_default();
    emit::event(HeapEvent { header: emit::header(kind), heap, limit });
    0
}

/// `Heap::FatalProcessOutOfMemory(const char* location)`: V8 aborts next, so this is the last thing we hear.
#[uprobe]
fn v8_oom(ctx: ProbeContext) -> u32 {
    let (Some(_), Some(heap), Some(text)) = (scope::hit(&ctx), ctx.arg::<u64>(0), ctx.arg::<u64>(1)) else {
        return 0;
    };
    debug!(&ctx, "heap {:x} is out of memory", heap);
    let mut event = V8OutOfMemoryEvent {
        header: emit::header(EventKind::V8OutOfMemory),
        heap,
        location: [0; LOCATION_LEN],
    };
    if !raw::read_user_str(text, &mut event.location) {
        losses::count(LossReason::LocationUnreadable);
    }
    emit::event(event);
    0
}

/// The limit of `heap` as it is now: it can be raised while the process runs.
#[inline(always)]
pub(super) fn limit(heap: u64, attachment: u32) -> Option<LimitParts> {
    let layout: &HeapLayout = HEAP_LAYOUTS.get(attachment)?;
    if layout.max_semi_space == NO_OFFSET {
        return None;
    }
    let parts = limit_parts(heap, layout);
    if parts.is_none() {
        losses::count(LossReason::LimitUnreadable);
    }
    parts
}

#[inline(always)]
fn limit_parts(heap: u64, layout: &HeapLayout) -> Option<LimitParts> {
    let holder = match layout.indirect {
        NO_OFFSET => heap,
        offset => raw::read_user(heap + u64::from(offset))?,
    };
    Some(LimitParts {
        max_semi_space: raw::read_user(heap + u64::from(layout.max_semi_space))?,
        max_old_generation: raw::read_user(holder + u64::from(layout.max_old_generation))?,
    })
}

//! Birth, death and last breath of an isolate's heap.

use aya_ebpf::{macros::uprobe, programs::ProbeContext};
use aya_log_ebpf::debug;
use memwatch_common::{
    event::{EventKind, HeapEvent, LOCATION_LEN, LimitParts, V8OutOfMemoryEvent},
    loss::LossReason,
    outside::OutsideBytes,
    target::{HeapLayout, LimitLayout, NO_OFFSET},
};

use crate::{
    emit, losses,
    maps::{HEAP_LAYOUTS, OBJECTS},
    raw, scope,
};

/// `Heap::SetUp`: the limit is already configured (`Isolate::Initialize` calls `ConfigureHeap` first).
#[uprobe]
fn heap_set_up(ctx: ProbeContext) -> u32 {
    heap_event(&ctx, EventKind::HeapSetUp)
}

/// `Heap::TearDown`: the heap's address may be used again by the next isolate.
#[uprobe]
fn heap_tear_down(ctx: ProbeContext) -> u32 {
    raw::remove(&OBJECTS, raw::current());
    heap_event(&ctx, EventKind::HeapTearDown)
}

#[inline(always)]
fn heap_event(ctx: &ProbeContext, kind: EventKind) -> u32 {
    let (Some(hit), Some(heap)) = (scope::hit(ctx), ctx.arg::<u64>(0)) else { return 0 };
    let limit = limit(heap, hit.attachment);
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

/// The limit of `heap` as it is now: it can be raised while the process runs. Zeros where it is not known.
///
/// Not an `Option`: the compiler would carry the parts of one that is `None` across branches in a slot of the stack
/// that nobody has written to, and the verifier of 5.10 refuses to read that (`invalid read from stack`).
#[inline(always)]
pub(super) fn limit(heap: u64, attachment: u32) -> LimitParts {
    let mut parts = LimitParts::default();
    let layout: Option<&HeapLayout> = HEAP_LAYOUTS.get(attachment);
    let Some(layout) = layout.filter(|layout| layout.limit.max_semi_space != NO_OFFSET) else { return parts };
    if !read_limit(heap, &layout.limit, &mut parts) {
        losses::count(LossReason::LimitUnreadable);
    }
    parts
}

/// Whether both parts could be read; else neither is written.
#[inline(always)]
fn read_limit(heap: u64, layout: &LimitLayout, parts: &mut LimitParts) -> bool {
    let mut holder = heap;
    if layout.indirect != NO_OFFSET {
        let Some(pointer) = raw::read_user(heap + u64::from(layout.indirect)) else { return false };
        holder = pointer;
    }
    let semi_space = raw::read_user(heap + u64::from(layout.max_semi_space));
    let Some(max_semi_space) = semi_space else { return false };
    let old_generation = raw::read_user(holder + u64::from(layout.max_old_generation));
    let Some(max_old_generation) = old_generation else { return false };
    *parts = LimitParts { max_semi_space, max_old_generation };
    true
}

/// What the isolate of `heap` holds outside of it now. [`OutsideBytes::UNKNOWN`] where that is not known.
#[inline(always)]
pub(super) fn outside(heap: u64, attachment: u32) -> OutsideBytes {
    let mut bytes = OutsideBytes::UNKNOWN;
    let layout: Option<&HeapLayout> = HEAP_LAYOUTS.get(attachment);
    let Some(layout) = layout.filter(|layout| layout.outside.is_known()) else { return bytes };
    if !layout.outside.read(heap, raw::read_user, &mut bytes) {
        losses::count(LossReason::OutsideUnreadable);
    }
    bytes
}

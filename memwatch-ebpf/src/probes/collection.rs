//! One collection: start, collector, sizes, end.

use aya_ebpf::{
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use aya_log_ebpf::debug;
use memwatch_common::{
    event::{EventKind, LimitParts, gc_kind},
    outside::OutsideBytes,
};

use super::isolate;
use crate::{emit, losses, raw, scope, survivors, threads, times, walk};

/// Entry of `Heap::CollectGarbage(space, reason, …)`. Attached last, so that everything after it is seen.
#[uprobe]
fn gc_enter(ctx: ProbeContext) -> u32 {
    let began = times::begin();
    let (Some(hit), Some(heap), Some(reason)) = (scope::hit(&ctx), ctx.arg::<u64>(0), ctx.arg::<u64>(2))
    else {
        return 0;
    };
    let Some(state) = threads::state_or_new(hit.thread) else { return 0 };
    // GarbageCollectionReason is an enum of one byte; the register's upper bytes are not defined.
    if let Some(loss) = state.start(raw::now_ns(), heap, reason as u8) {
        losses::count(loss);
    }
    walk::begin(&ctx, began);
    0
}

/// Entry of `Heap::Scavenge()` and, up to Node 18, `Heap::EvacuateYoungGeneration()`.
#[uprobe]
fn scavenge(ctx: ProbeContext) -> u32 {
    collector(&ctx, gc_kind::SCAVENGE)
}

/// Entry of `Heap::MinorMarkCompact()` (Node 12 to 20) or `Heap::MinorMarkSweep()` (22 on).
#[uprobe]
fn minor_mark(ctx: ProbeContext) -> u32 {
    collector(&ctx, gc_kind::MINOR_MARK)
}

/// Entry of `Heap::MarkCompact()`.
#[uprobe]
fn mark_compact(ctx: ProbeContext) -> u32 {
    collector(&ctx, gc_kind::MARK_COMPACT)
}

#[inline(always)]
fn collector(ctx: &ProbeContext, kind: u8) -> u32 {
    if let Some(hit) = scope::hit(ctx)
        && let Some(state) = threads::state(hit.thread)
    {
        state.collector(kind);
        survivors::collector(hit.thread, state, kind);
    }
    0
}

/// Return of `Heap::SizeOfObjects()`. Also called by `v8.getHeapStatistics()`, outside of any collection. It adds up
/// numbers: nothing walks the stack until it returns.
#[uretprobe]
fn size_exit(ctx: RetProbeContext) -> u32 {
    if let Some(state) = scope::hit(&ctx).and_then(|hit| threads::state(hit.thread)) {
        state.size(ctx.ret());
    }
    0
}

/// Each exit of `Heap::CollectGarbage`. An ordinary probe: a return probe changes the return address, and V8's stack walk,
/// which happens inside, dies of it where generated code is what it returns to.
#[uprobe]
fn gc_exit(ctx: ProbeContext) -> u32 {
    let Some(hit) = scope::hit(&ctx) else { return 0 };
    let Some(state) = threads::state_or_new(hit.thread) else { return 0 };
    let (limit, outside) = if state.is_collecting() {
        (isolate::limit(state.heap, hit.attachment), isolate::outside(state.heap, hit.attachment))
    } else {
        (LimitParts::default(), OutsideBytes::UNKNOWN)
    };
    match state.end(limit, outside) {
        Ok(mut event) => {
            event.header = emit::header(EventKind::Gc);
            debug!(
                &ctx,
                "collection of heap {:x}: {} to {}", event.heap, event.before_bytes, event.after_bytes
            );
            emit::event(event);
            survivors::end(&ctx, hit.thread, event.kind);
        }
        Err(loss) => losses::count(loss),
    }
    0
}

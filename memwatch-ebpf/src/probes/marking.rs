//! What precedes a mark-compact: the start of incremental marking, and the choice to compact.

use aya_ebpf::{
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};

use crate::{raw, scope, threads};

/// Entry of `Heap::StartIncrementalMarking(flags, reason, …)`.
#[uprobe]
fn marking_start(ctx: ProbeContext) -> u32 {
    let (Some(hit), Some(reason)) = (scope::hit(&ctx), ctx.arg::<u64>(2)) else { return 0 };
    if let Some(state) = threads::state_or_new(hit.thread) {
        state.marking(raw::now_ns(), reason as u8);
    }
    0
}

/// Return of `MarkCompactCollector::StartCompaction()`: a `bool`, of which only the low byte is defined.
#[uretprobe]
fn compaction(ctx: RetProbeContext) -> u32 {
    let Some(hit) = scope::hit(&ctx) else { return 0 };
    if let Some(state) = threads::state_or_new(hit.thread) {
        state.compaction(ctx.ret::<u64>() & 0xff != 0);
    }
    0
}

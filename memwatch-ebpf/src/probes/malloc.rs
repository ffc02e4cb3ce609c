//! Blocks of the allocator. Two sets of programs at the same places: those that sample, and those that follow every
//! block.
//!
//! Scoped to one process by the kernel: every process of the host passes through its libc.

use aya_ebpf::{
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use memwatch_common::{
    loss::LossReason,
    native::{NativeCount, Request, asked},
    times::Did,
};

use crate::{
    blocks, losses,
    maps::{HAS_CHUNKS, IN_FLIGHT},
    raw, times,
};

/// Inside of an allocating function, where its result is known and the kernel emulates the instruction.
#[uprobe]
fn point_sampled(ctx: ProbeContext) -> u32 {
    blocks::trap();
    if let Some(fresh) = blocks::at_point(&ctx) {
        blocks::sample(&fresh);
    }
    0
}

/// Return of an allocating function that has no such place.
#[uretprobe]
fn return_sampled(ctx: RetProbeContext) -> u32 {
    blocks::trap();
    if let Some(fresh) = blocks::at_return(&ctx) {
        blocks::sample(&fresh);
    }
    if HAS_CHUNKS.load() == 0 {
        raw::remove(&IN_FLIGHT, raw::current());
    }
    0
}

/// As `point_sampled`, but the block is followed until it is freed.
#[uprobe]
fn point_followed(ctx: ProbeContext) -> u32 {
    blocks::trap();
    if let Some(fresh) = blocks::at_point(&ctx) {
        blocks::follow(fresh.address, fresh.block);
        blocks::sample_stack(&fresh);
    }
    0
}

/// As `return_sampled`, but the block is followed until it is freed.
#[uretprobe]
fn return_followed(ctx: RetProbeContext) -> u32 {
    blocks::trap();
    if let Some(fresh) = blocks::at_return(&ctx) {
        blocks::follow(fresh.address, fresh.block);
        blocks::sample_stack(&fresh);
    }
    if HAS_CHUNKS.load() == 0 {
        raw::remove(&IN_FLIGHT, raw::current());
    }
    0
}

/// Entry of an allocating function whose blocks have no header; the cookie says which arguments give the size.
#[uprobe]
fn alloc_enter(ctx: ProbeContext) -> u32 {
    blocks::trap();
    if let Some(size) = size_asked(&ctx) {
        begin(Request { size, ..Request::default() });
    }
    0
}

/// The bytes that a function is asked for, where the cookie says that they are.
fn size_asked(ctx: &ProbeContext) -> Option<u64> {
    let (first, second) = (ctx.arg::<u64>(0)?, ctx.arg::<u64>(1)?);
    Some(match raw::attach_cookie(ctx) {
        asked::PRODUCT => first.wrapping_mul(second),
        asked::SECOND => second,
        asked::LAST_PRODUCT => second.wrapping_mul(ctx.arg::<u64>(2)?),
        _ => first,
    })
}

/// Entry of `posix_memalign(address, alignment, size)`.
#[uprobe]
fn memalign_enter(ctx: ProbeContext) -> u32 {
    blocks::trap();
    let (Some(address), Some(size)) = (ctx.arg::<u64>(0), ctx.arg::<u64>(2)) else { return 0 };
    begin(Request { size, address, ..Request::default() });
    0
}

/// Return of `posix_memalign`: 0, and the block where the caller wanted it.
#[uretprobe]
fn memalign_exit(ctx: RetProbeContext) -> u32 {
    blocks::trap();
    let registers = raw::registers(&ctx);
    // Its result is an `int`: the upper half of the register is not defined.
    let failed = registers.result as u32 != 0;
    if let Some(request) = raw::own(&IN_FLIGHT, raw::current())
        && !failed
        && let Some(address) = raw::read_user(request.address)
        && let Some(fresh) = blocks::of_caller(address, registers)
    {
        blocks::follow(fresh.address, fresh.block);
        blocks::sample_stack(&fresh);
    }
    raw::remove(&IN_FLIGHT, raw::current());
    0
}

/// Entry of `realloc(old, size)` or `reallocarray(old, count, size)`. The old block counts as freed at once: while it runs,
/// another thread may be given its address.
#[uprobe]
fn realloc_enter(ctx: ProbeContext) -> u32 {
    blocks::trap();
    let (Some(address), Some(size)) = (ctx.arg::<u64>(0), size_asked(&ctx)) else { return 0 };
    let request = match blocks::remove(address) {
        Some(old) => Request { size, address, old },
        None => Request { size, ..Request::default() },
    };
    begin(request);
    0
}

/// Return of `realloc`: the block, where it was or elsewhere; or null, which is a failure unless no bytes were asked for.
#[uretprobe]
fn realloc_exit(ctx: RetProbeContext) -> u32 {
    blocks::trap();
    let thread = raw::current();
    if let Some(fresh) = blocks::at_return(&ctx) {
        blocks::follow(fresh.address, fresh.block);
        blocks::sample_stack(&fresh);
    } else if let Some(request) = raw::own(&IN_FLIGHT, thread)
        && request.size != 0
        && request.address != 0
    {
        blocks::restore(request.address, request.old);
    }
    raw::remove(&IN_FLIGHT, thread);
    0
}

/// `free`, where its argument is still what it was.
#[uprobe]
fn freed(ctx: ProbeContext) -> u32 {
    blocks::trap();
    let Some(address) = ctx.arg::<u64>(0) else { return 0 };
    if address != 0 && blocks::remove(address).is_none() {
        blocks::count(NativeCount::UnknownFrees);
    }
    0
}

/// Nothing: what a probe costs by itself.
#[uprobe]
fn empty(_: ProbeContext) -> u32 {
    times::end(times::begin(), Did::Nothing);
    0
}

#[inline(always)]
fn begin(request: Request) {
    if IN_FLIGHT.insert(raw::current(), request, 0).is_err() {
        losses::count(LossReason::InFlightFull);
    }
}

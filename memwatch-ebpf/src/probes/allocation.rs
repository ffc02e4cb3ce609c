//! Samples of what JavaScript allocates: a stack for every so many bytes.
//!
//! Small objects are cut from a linear allocation area without a call; once it is used up, V8 takes a slow path, every
//! 64 to 260 kB. What was cut from the area since the last time is `top - start` of it at that moment.

use aya_ebpf::{macros::uprobe, programs::ProbeContext};
use memwatch_common::{
    loss::LossReason,
    stack::{Sampler, StackLayout},
    times::Did,
};

use crate::{
    losses,
    maps::{SAMPLERS, STACK_COUNTS, STACK_LAYOUTS},
    raw::{self, Thread},
    scope, threads, times, walk,
};

/// More than an area ever holds: pages have 256 kB. A larger difference is no area.
const LARGEST_AREA: u64 = 1 << 20;
/// `kMaxInt`: no object is larger.
const LARGEST_OBJECT: u64 = 1 << 31;

/// Entry of the slow path: `MainAllocator::AllocateRawSlow`, up to Node 20 the space's own.
#[uprobe]
fn alloc_slow(ctx: ProbeContext) -> u32 {
    let began = times::begin();
    if let (Some((thread, layout)), Some(owner), Some(size)) =
        (allocating(&ctx), ctx.arg::<u64>(0), ctx.arg::<u64>(1))
        && let Some([start, top]) = area(layout, owner)
        && let Some(sampler) = sampler_or_new(thread, layout)
        && let cut = sampler.cut(start, top)
        && is_sampled(sampler, cut, layout, Object::small(owner, size))
    {
        walk::begin(&ctx, began);
    }
    times::end(began, Did::Count);
    0
}

/// Entry of `NewLargeObjectSpace::AllocateRaw` and `OldLargeObjectSpace::AllocateRaw`.
#[uprobe]
fn alloc_large(ctx: ProbeContext) -> u32 {
    let began = times::begin();
    let Some((thread, layout)) = allocating(&ctx) else { return 0 };
    // Chosen by a mask: of a condition the compiler makes a choice of addresses in the context, which the verifier forbids.
    let third_only = 0_u32.wrapping_sub(layout.large_size_argument.wrapping_sub(1));
    let (Some(second), Some(third)) = (ctx.arg::<u64>(1), ctx.arg::<u64>(2)) else { return 0 };
    // An int: the register's upper half is not defined.
    let size = u64::from((second as u32 & !third_only) | (third as u32 & third_only));
    if size >= LARGEST_OBJECT {
        return 0;
    }
    if let Some(sampler) = sampler_or_new(thread, layout)
        && is_sampled(sampler, size, layout, Object { owner: 0, size })
    {
        walk::begin(&ctx, began);
    }
    times::end(began, Did::Count);
    0
}

/// Thread and layout, if the hit counts: the collector's own evacuation uses the same allocators.
#[inline(always)]
fn allocating(ctx: &ProbeContext) -> Option<(Thread, &'static StackLayout)> {
    let thread = scope::hit(ctx)?.thread;
    if threads::state(thread).is_some_and(|state| state.is_collecting()) {
        return None;
    }
    let layout = raw::written_by_collector(&STACK_LAYOUTS, thread.tgid())?;
    if let Some(counts) = raw::cpu_value(&STACK_COUNTS, thread.tgid()) {
        counts.hits += 1;
    }
    Some((thread, layout))
}

/// Start and top of the area of an allocator or space.
#[inline(always)]
fn area(layout: &StackLayout, owner: u64) -> Option<[u64; 2]> {
    let place = owner.wrapping_add(u64::from(layout.area));
    let area = if layout.area_is_inside == 0 { raw::read_user(place)? } else { place };
    let [start, top] = raw::read_user_value::<[u64; 2]>(area)?;
    (top.wrapping_sub(start) <= LARGEST_AREA).then_some([start, top])
}

/// What is about to be made.
#[derive(Clone, Copy)]
struct Object {
    /// The allocator or space that makes it; 0 of a large one.
    owner: u64,
    size: u64,
}

impl Object {
    /// One that `owner` makes, with `size` in a register whose upper half is not defined.
    #[inline(always)]
    fn small(owner: u64, size: u64) -> Self {
        Self { owner, size: u64::from(size as u32) }
    }
}

/// Whether a sample is due, and is taken, of the `object` that is about to be made.
#[inline(always)]
fn is_sampled(sampler: &mut Sampler, bytes: u64, layout: &StackLayout, object: Object) -> bool {
    if !sampler.take(bytes, layout.interval, raw::random()) {
        return false;
    }
    sampler.owner = object.owner;
    sampler.size = object.size;
    true
}

#[inline(always)]
fn sampler_or_new(thread: Thread, layout: &StackLayout) -> Option<&'static mut Sampler> {
    if let Some(sampler) = raw::own(&SAMPLERS, thread) {
        return Some(sampler);
    }
    if SAMPLERS.insert(thread, Sampler::new(layout.interval, raw::random()), 0).is_err() {
        losses::count(LossReason::SamplersFull);
    }
    raw::own(&SAMPLERS, thread)
}

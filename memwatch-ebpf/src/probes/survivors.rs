//! Objects that are followed: where they are made, and where a collection shows which of them are alive. docs/design/survivors.md
//! says why it is in these functions and at no other time.

use aya_ebpf::{
    EbpfContext,
    macros::{uprobe, uretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use memwatch_common::survivors::{PageLayout, awaited, pass, slot_flag};

use crate::{
    maps::{LOOKER, SAMPLERS, STACK_LAYOUTS},
    raw::{self, Thread},
    scope, survivors, threads,
};

/// Objects that are looked at in a run of the program: it goes on with itself 32 times at most, and there are 4 608 of them.
const STEPS: u32 = 160;
/// The tag of an object that was made. Of a failure both bits are 0.
const MADE: u64 = 0b01;
/// Both bits of a tag.
const TAGS: u64 = 0b11;

/// Return of the slow paths of allocation, and of the allocators of large objects. C++ calls them, and nothing walks the stack until
/// they return but from the frames of JavaScript outwards.
#[uretprobe]
fn made(ctx: RetProbeContext) -> u32 {
    let Some(hit) = scope::hit(&ctx) else { return 0 };
    let thread = hit.thread;
    let Some(sampler) = raw::own(&SAMPLERS, thread) else { return 0 };
    // The garbage collector allocates, too: on the isolate's own thread while a collection is open, from V8 13 on also on helpers,
    // on which none ever is.
    let is_running = threads::state(thread).is_some_and(|state| !state.is_collecting());
    if sampler.making == 0 || !is_running {
        return 0;
    }
    let Some(pages) = survivors::pages(thread) else { return 0 };
    let result = ctx.ret::<u64>();
    let is_large = sampler.owner == 0;
    let address = if pages.made_in_area != 0 && !is_large {
        in_area(thread, sampler.owner, result)
    } else {
        returned(result)
    };
    let Some(address) = address else {
        // V8 collects and tries again: to V8 11 where no probe sees it, as there is an area by then.
        sampler.making *= u64::from(pages.made_in_area == 0);
        return 0;
    };
    survivors::made(thread, pages, sampler, address, if is_large { slot_flag::LARGE } else { 0 });
    sampler.making = 0;
    0
}

#[inline(always)]
fn returned(result: u64) -> Option<u64> {
    (result & TAGS == MADE).then_some(result - MADE)
}

/// The object is about to be cut from the area of `owner`, whose slow path returns whether there is room.
#[inline(always)]
fn in_area(thread: Thread, owner: u64, result: u64) -> Option<u64> {
    if result as u8 == 0 {
        return None;
    }
    let layout = raw::written_by_collector(&STACK_LAYOUTS, thread.tgid())?;
    let place = owner.wrapping_add(u64::from(layout.area));
    let area = if layout.area_is_inside == 0 { raw::read_user(place)? } else { place };
    raw::read_user(area.wrapping_add(8))
}

/// Entry of `Heap::UpdateYoungReferencesInExternalStringTable`; of `GlobalHandles::ProcessWeakYoungObjects` where that is inlined.
#[uprobe]
fn scavenged(ctx: ProbeContext) -> u32 {
    begin(&ctx, pass::SCAVENGED, awaited::SCAVENGED)
}

/// Entry of `MarkCompactCollector::Sweep`, up to Node 18 `StartSweepSpaces`.
#[uprobe]
fn marked(ctx: ProbeContext) -> u32 {
    begin(&ctx, pass::MARKED, awaited::MARKED)
}

/// Entry of `MarkCompactCollector::UpdatePointersAfterEvacuation`.
#[uprobe]
fn moved(ctx: ProbeContext) -> u32 {
    begin(&ctx, pass::MOVED, awaited::MOVED)
}

#[inline(always)]
fn begin<C: EbpfContext>(ctx: &C, pass: u32, bit: u32) -> u32 {
    if let Some(hit) = scope::hit(ctx)
        && let Some(followed) = survivors::followed(hit.thread)
        && followed.begin_awaited(pass, bit)
    {
        raw::go_on_with(&LOOKER, ctx, 0);
    }
    0
}

/// Looks at some objects, and goes on with itself until it has looked at all.
#[uprobe]
fn look(ctx: ProbeContext) -> u32 {
    let thread = raw::current();
    let pages: Option<&PageLayout> = survivors::pages(thread);
    let (Some(pages), Some(followed)) = (pages, survivors::followed(thread)) else { return 0 };
    for _ in 0..STEPS {
        if !survivors::look(thread, followed, pages) {
            return 0;
        }
    }
    raw::go_on_with(&LOOKER, &ctx, 0);
    0
}

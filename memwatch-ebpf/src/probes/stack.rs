//! What a probe goes on with that wants the stack: a program of its own. The verifier takes 35 to 55 ms (6.18) to follow a walk,
//! so it follows one for all probes on V8, and the first of these are live before it has begun.

use aya_ebpf::{macros::uprobe, programs::ProbeContext};
use memwatch_common::{stack::StackVolume, times::Did};

use crate::{
    maps::{SAMPLERS, STACK_LAYOUTS},
    raw::{self, Thread},
    survivors, threads, times, walk,
};

/// Where a collection is open the thread has just entered it: what is allocated meanwhile is not sampled.
#[uprobe]
fn stack(ctx: ProbeContext) -> u32 {
    let thread = raw::current();
    let Some(layout) = raw::written_by_collector(&STACK_LAYOUTS, thread.tgid()) else { return 0 };
    let event = walk::walk(thread, raw::registers(&ctx).sp, layout);
    // All that varies comes behind the walk: the verifier would follow it once for each.
    let Some(state) = threads::state(thread).filter(|state| state.is_collecting()) else {
        if let Some(event) = event {
            let hash = event.key.hash;
            walk::count(thread, layout, event, taken(thread));
            survivors::making(thread, hash);
        }
        times::end(times::handed_on(), Did::Sample);
        return 0;
    };
    let hash = event.map_or(0, |event| {
        walk::count(thread, layout, event, StackVolume::default());
        event.key.hash
    });
    state.walked(raw::now_ns(), hash);
    times::end(times::handed_on(), Did::Start);
    0
}

/// The sample that the thread has just taken.
#[inline(always)]
fn taken(thread: Thread) -> StackVolume {
    raw::own(&SAMPLERS, thread).map_or(StackVolume::default(), |sampler| StackVolume::sample(sampler.taken))
}

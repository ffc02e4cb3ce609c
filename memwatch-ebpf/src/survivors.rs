//! Objects of the running thread's isolate that are followed: which, and what becomes of them in a collection.

use aya_ebpf::EbpfContext;
use memwatch_common::{
    collection::ThreadState,
    event::gc_kind,
    loss::LossReason,
    stack::Sampler,
    survivors::{Fate, Followed, List, PageLayout, Slot},
};

use crate::{
    losses,
    maps::{LOOKER, OBJECTS, PAGE_LAYOUTS, SAMPLERS, SLOTS},
    raw::{self, OwnSlot, Thread},
};

/// How the pages of the process are laid out, if its objects are followed.
#[inline(always)]
pub(crate) fn pages(thread: Thread) -> Option<&'static PageLayout> {
    raw::written_by_collector(&PAGE_LAYOUTS, thread.tgid())
}

/// The objects of the thread's isolate that are followed, if there are any.
#[inline(always)]
pub(crate) fn followed(thread: Thread) -> Option<&'static mut Followed> {
    raw::own(&OBJECTS, thread)
}

/// The thread is about to make an object that was sampled at a stack of this hash.
#[inline(always)]
pub(crate) fn making(thread: Thread, hash: u64) {
    if pages(thread).is_some()
        && let Some(sampler) = raw::own(&SAMPLERS, thread)
    {
        sampler.making = hash;
    }
}

/// It has made it, at `address`.
#[inline(always)]
pub(crate) fn made(thread: Thread, pages: &PageLayout, sampler: &Sampler, address: u64, flags: u32) {
    let Some(followed) = followed_or_new(thread) else { return };
    let Some(halvings) = followed.takes(raw::random()) else { return };
    let Sampler { making: stack, taken, size, .. } = *sampler;
    let (bytes, born_ns) = (taken << halvings, raw::now_ns());
    let object = Slot { address, stack, bytes, size, born_ns, flags, proofs: 0 };
    match Slot::new(object, pages, raw::read_user) {
        Some((object, list)) => add(thread, followed, list, object),
        None => losses::count(LossReason::SurvivorLost),
    }
}

#[inline(always)]
fn followed_or_new(thread: Thread) -> Option<&'static mut Followed> {
    if let Some(known) = followed(thread) {
        return Some(known);
    }
    if OBJECTS.insert(thread, Followed::default(), 0).is_err() {
        losses::count(LossReason::SurvivorsFull);
    }
    followed(thread)
}

#[inline(always)]
fn add(thread: Thread, followed: &mut Followed, list: List, object: Slot) {
    let there = followed.room(list).map(|index| SLOTS.insert(OwnSlot::new(thread, list, index), object, 0));
    match there {
        Some(Ok(())) => followed.added(list),
        _ => losses::count(LossReason::SurvivorsFull),
    }
}

/// A collector of this kind begins on the thread, in the open collection.
#[inline(always)]
pub(crate) fn collector(thread: Thread, state: &ThreadState, kind: u8) {
    if !state.is_collecting() {
        return;
    }
    let Some(followed) = followed(thread) else { return };
    match kind {
        gc_kind::SCAVENGE => followed.scavenge(state.heap),
        gc_kind::MARK_COMPACT => {
            followed.full_collection(state.heap, state.marking_began(), state.start_ns);
        }
        _ => {}
    }
}

/// A collection of this kind is over. Does not come back if objects are to be looked at once more.
#[inline(always)]
pub(crate) fn end<C: EbpfContext>(ctx: &C, thread: Thread, kind: u8) {
    let Some(followed) = followed(thread) else { return };
    if followed.end(kind) != 0 {
        losses::count(LossReason::SurvivorLost);
    }
    if kind == gc_kind::MARK_COMPACT {
        followed.settle();
        raw::go_on_with(&LOOKER, ctx, 0);
    }
}

/// Looks at the next object; whether there was one.
#[inline(always)]
pub(crate) fn look(thread: Thread, followed: &mut Followed, pages: &PageLayout) -> bool {
    let Some((list, index)) = followed.to_look_at() else { return false };
    let Some(place) = raw::own(&SLOTS, OwnSlot::new(thread, list, index)) else { return true };
    let mut object = *place;
    let fate = object.look(followed, pages, raw::read_user);
    match fate {
        Fate::Dead => {}
        Fate::Alive => keep(thread, followed, list, object),
        Fate::Promoted => add(thread, followed, List::Old, object),
        Fate::Unknown => losses::count(LossReason::SurvivorLost),
    }
    true
}

/// Puts it where objects of the list lie that are kept.
#[inline(always)]
fn keep(thread: Thread, followed: &mut Followed, list: List, object: Slot) {
    let Some(bytes) = followed.thinned(object.bytes, raw::random()) else { return };
    let index = followed.keep();
    if let Some(place) = raw::own(&SLOTS, OwnSlot::new(thread, list, index)) {
        *place = Slot { bytes, ..object };
    }
}

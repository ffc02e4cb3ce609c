//! The isolates that heaps belong to, found by structure: no symbol of a variable, no thread pointer.

use std::collections::BTreeMap;

use super::{
    copied::Page,
    roots::{self, Place},
};
use crate::{heap::memory::Memory, v8::handles::HandlePlaces};

/// The heap is a part of its isolate: so far behind its begin at most (0xf3c0 in V8 14.6), and so far before its end (musl
/// does not tell where that is; 0xa000 with all of it in 10.2 to 14.6).
const BEFORE: u64 = 0x1_8000;
const BEHIND: u64 = 0xa000;
/// Heaps that are looked at. Each worker has one.
const MAX_HEAPS: usize = 4096;

/// The isolates whose heaps have `pages`, with the address of their heap, in the order of addresses.
pub(super) fn find(memory: &impl Memory, places: HandlePlaces, pages: &[Page]) -> Vec<(Place, u64)> {
    let mut heaps = BTreeMap::new();
    for page in pages.iter().filter(|page| page.heap.is_multiple_of(8) && page.heap > BEFORE) {
        *heaps.entry(page.heap).or_insert(0_u32) += 1;
    }
    // An isolate has more pages than one: what has just one is forged, or no heap.
    let heaps = heaps.into_iter().filter(|(_, pages)| *pages > 1).take(MAX_HEAPS);
    heaps.filter_map(|(heap, _)| Some((of_heap(memory, places, heap)?, heap))).collect()
}

/// The isolate that `heap` is a part of: two of its parts begin with its address.
fn of_heap(memory: &impl Memory, places: HandlePlaces, heap: u64) -> Option<Place> {
    let base = heap - BEFORE;
    let words = roots::range(memory, base..heap.saturating_add(BEHIND));
    let word = |at: u64| words.get(usize::try_from(at / 8).ok()?).copied();
    let is_pointer = |offset: u64| word(offset).is_some_and(|word| word != 0 && word.is_multiple_of(8));
    let is_likely = |inside: &u64| {
        is_pointer(inside + u64::from(places.global)) && is_pointer(inside + u64::from(places.implementer))
    };
    let candidates = (0..BEFORE / 8).rev().map(|word| word * 8).filter(is_likely).map(|inside| base + inside);
    let address = { candidates }.find(|at| is_isolate(memory, places, *at))?;
    Some(Place { address, bytes: length(memory, address, heap) })
}

/// Whether an isolate is at `address`: its handles refer back to it.
pub(super) fn is_isolate(memory: &impl Memory, places: HandlePlaces, address: u64) -> bool {
    let refers_back = |offset: u32| {
        let part = memory.word(address.saturating_add(offset.into()))?;
        (part != 0 && part.is_multiple_of(8) && memory.word(part)? == address).then_some(())
    };
    refers_back(places.implementer).and_then(|()| refers_back(places.global)).is_some()
}

/// Bytes of the isolate at `address`: glibc notes them before it.
fn length(memory: &impl Memory, address: u64, heap: u64) -> u64 {
    let usual = heap - address + BEHIND;
    // Its lower bits are flags; the word itself is not the isolate's.
    let noted = memory.word(address - 8).map(|size| (size & !7).saturating_sub(8));
    noted.filter(|bytes| (heap - address..usual + BEHIND).contains(bytes)).unwrap_or(usual)
}

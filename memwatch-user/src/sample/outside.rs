//! What a process's isolates hold outside of their heaps, read between collections from its memory.

use std::{fs::File, os::unix::fs::FileExt};

use memwatch_common::outside::{OutsideBytes, OutsideLayout};

use crate::model::OutsideHeap;

/// What the isolates of `heaps`, in the process `pid`, hold outside of their heaps now, all together. Neither is known if
/// the layout is not, or if no heap can be read.
///
/// The way to the books is taken anew each time, as isolates come and go. One that went before we heard of it counts
/// nothing as soon as its memory is unmapped or used otherwise: then the way does not lead to an allocator of Node's
/// class. Until then its last numbers stand, for the milliseconds that the news take. Isolates that are not among `heaps`
/// are not counted: of one that was there before us we hear at its first collection.
#[must_use]
pub(crate) fn read(pid: u32, heaps: impl IntoIterator<Item = u64>, layout: &OutsideLayout) -> OutsideHeap {
    let mut sum = OutsideHeap::default();
    if !layout.is_known() {
        return sum;
    }
    let Ok(memory) = File::open(format!("/proc/{pid}/mem")) else { return sum };
    for heap in heaps {
        let isolate = of_isolate(heap, layout, |address| word(&memory, address));
        sum.array_buffers = plus(sum.array_buffers, isolate.array_buffers);
        sum.external = plus(sum.external, isolate.external);
    }
    sum
}

fn of_isolate(heap: u64, layout: &OutsideLayout, word: impl Fn(u64) -> Option<u64>) -> OutsideHeap {
    let mut bytes = OutsideBytes::UNKNOWN;
    layout.read(heap, word, &mut bytes);
    let known = |value, unknown| Some(value).filter(|value| *value != unknown);
    OutsideHeap {
        array_buffers: known(bytes.array_buffers, OutsideBytes::UNKNOWN.array_buffers),
        external: known(bytes.external, OutsideBytes::UNKNOWN.external),
    }
}

fn word(memory: &File, address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    memory.read_exact_at(&mut bytes, address).ok()?;
    Some(u64::from_le_bytes(bytes))
}

/// Unknown only if both are.
fn plus(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.map_or(other, |one| Some(one.saturating_add(other.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use memwatch_common::target::NO_OFFSET;

    use super::*;

    /// Heap at 8 in its isolate, which holds external bytes, heap and allocator; the allocator's `Free` is 64 above its
    /// table.
    const LAYOUT: OutsideLayout = OutsideLayout {
        heap: 8,
        allocator: 16,
        array_buffers: 8,
        external: 0,
        counter: NO_OFFSET,
        counter_bytes: NO_OFFSET,
        classes: [64, 0],
    };

    fn address<T>(of: &T) -> u64 {
        std::ptr::from_ref(of).addr() as u64
    }

    #[test]
    fn our_own_memory_holds_two_isolates_and_one_that_is_gone() {
        let mut table = [0; 5];
        table[4] = address(&table) + 64;
        let allocators = [[address(&table), 300], [address(&table), 4], [0xdead_beef, 9]];
        let isolates = [
            [1000, 0, address(&allocators[0])],
            [20, 0, address(&allocators[1])],
            [7, 0, address(&allocators[2])],
        ];
        let heaps = isolates.iter().map(|isolate| address(isolate) + 8);
        let us = std::process::id();
        let expected = OutsideHeap { array_buffers: Some(304), external: Some(1020) };
        assert_eq!(read(us, heaps.clone(), &LAYOUT), expected);
        assert_eq!(read(us, heaps.clone().skip(2), &LAYOUT), OutsideHeap::default());
        assert_eq!(read(us, [0, u64::MAX, 8], &LAYOUT), OutsideHeap::default());
        assert_eq!(read(us, heaps.clone(), &OutsideLayout::UNKNOWN), OutsideHeap::default());
        assert_eq!(read(u32::MAX, heaps, &LAYOUT), OutsideHeap::default());
    }
}

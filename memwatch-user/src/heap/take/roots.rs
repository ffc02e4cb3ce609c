//! What holds objects from outside of the heap: words of the isolate, handles, stacks.
//!
//! All of it is read word by word behind [`Memory`]: what a hostile process has there costs bounded time and memory.

use std::ops::Range;

use super::RootWords;
use crate::{
    heap::{
        graph::{IsolateId, RootKind},
        memory::Memory,
    },
    v8::handles::{
        GLOBAL_BLOCK, GLOBAL_FLAGS_SHIFT, GLOBAL_STATE, GLOBAL_STRONG, GLOBAL_WORDS, HandlePlaces,
        SCOPE_BLOCK,
    },
};

/// Handles of one sort that are read, at most: 2 GiB of them.
const MAX_HANDLES: u64 = 1 << 28;
/// Eternal handles are near the global ones in `Isolate`: 8 to 0x88 bytes behind them (16 to 26).
const ETERNAL_WITHIN: u64 = 0x100;

/// An isolate, as far as its roots go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) address: u64,
    pub(super) bytes: u64,
}

/// All roots of an isolate but those on stacks, in the order in which they are to be walked.
pub(super) fn of_isolate(
    memory: &impl Memory,
    places: HandlePlaces,
    isolate: &Place,
    number: IsolateId,
) -> Vec<RootWords> {
    let words = |kind, words| RootWords { kind, isolate: Some(number), words };
    vec![
        words(RootKind::GlobalHandle, global(memory, isolate.address + u64::from(places.global))),
        words(
            RootKind::Isolate,
            range(memory, isolate.address..isolate.address.saturating_add(isolate.bytes)),
        ),
        words(RootKind::Eternal, eternal(memory, isolate.address + u64::from(places.global))),
        words(RootKind::HandleScope, scopes(memory, places, isolate.address)),
    ]
}

/// The words of a range, as far as they can be read; 0 for those that cannot. Fewer if the time runs out.
pub(super) fn range(memory: &impl Memory, range: Range<u64>) -> Vec<u64> {
    const PART: usize = 4096;
    let mut words = Vec::new();
    let mut bytes = [0; PART];
    for at in range.clone().step_by(PART).take_while(|_| !memory.is_over()) {
        let len = usize::try_from(range.end - at).map_or(PART, |left| left.min(PART)) & !7;
        let part = &mut bytes[..len];
        if !memory.read(at, part) {
            part.fill(0);
        }
        words.extend(part.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)));
    }
    words
}

/// Strong global handles: lists of blocks, the newest first. `at` is where the isolate has its `GlobalHandles`.
fn global(memory: &impl Memory, at: u64) -> Vec<u64> {
    let mut words = Vec::new();
    let mut next = node_space(memory, at).and_then(|space| memory.word(space + 8));
    let bytes = GLOBAL_BLOCK * GLOBAL_WORDS as u64 * 8;
    let mut left = MAX_HANDLES / GLOBAL_BLOCK;
    while let Some(block) = next.filter(|block| *block != 0 && left > 0 && !memory.is_over()) {
        left -= 1;
        let nodes = range(memory, block..block.saturating_add(bytes));
        words.extend(
            nodes.as_chunks::<GLOBAL_WORDS>().0.iter().filter(|node| is_strong(node)).map(|node| node[0]),
        );
        next = memory.word(block.saturating_add(bytes));
    }
    words
}

fn is_strong(node: &[u64; GLOBAL_WORDS]) -> bool {
    node[1] >> GLOBAL_FLAGS_SHIFT & GLOBAL_STATE == GLOBAL_STRONG
}

/// `GlobalHandles` has its `NodeSpace` in one of its first words (the second; in V8 10 the third), and that refers back.
fn node_space(memory: &impl Memory, at: u64) -> Option<u64> {
    let handles = memory.word(at)?;
    let spaces = (1..=5).filter_map(|word| memory.word(handles.wrapping_add(word * 8)));
    spaces
        .into_iter()
        .find(|space| space.is_multiple_of(8) && *space != 0 && memory.word(*space) == Some(handles))
}

/// Eternal handles: `{int size; std::vector<Address*> blocks}` (`EternalHandles`, src/handles/global-handles.h).
fn eternal(memory: &impl Memory, near: u64) -> Vec<u64> {
    let candidates = (near + 8..near + ETERNAL_WITHIN).step_by(8).filter_map(|at| memory.word(at));
    candidates.into_iter().find_map(|at| eternal_at(memory, at)).unwrap_or_default()
}

fn eternal_at(memory: &impl Memory, at: u64) -> Option<Vec<u64>> {
    let [size, start, end, room] = memory.words(at)?;
    let (size, blocks) = (size & 0xffff_ffff, end.checked_sub(start)? / 8);
    let is_one = size > 0 && size.div_ceil(GLOBAL_BLOCK) == blocks && room >= end && size < MAX_HANDLES;
    is_one.then_some(())?;
    let mut words = Vec::new();
    let blocks = range(memory, start..end).into_iter().take_while(|_| !memory.is_over());
    for (block, first) in blocks.zip((0..).step_by(256)) {
        let count = (size - first).min(GLOBAL_BLOCK);
        words.extend(range(memory, block..block.saturating_add(count * 8)));
    }
    Some(words)
}

/// Open handle scopes: all blocks are full but the last, which goes up to the next handle.
fn scopes(memory: &impl Memory, places: HandlePlaces, isolate: u64) -> Vec<u64> {
    let next = memory.word(isolate + u64::from(places.next));
    let implementer = memory.word(isolate + u64::from(places.implementer));
    let Some([_, data, _, size]) = implementer.and_then(|at| memory.words(at)) else { return Vec::new() };
    let size = size.min(MAX_HANDLES / SCOPE_BLOCK);
    let blocks = range(memory, data..data.saturating_add(size * 8));
    let mut words = Vec::new();
    for (number, &block) in (1..).zip(&blocks).take_while(|_| !memory.is_over()) {
        let full = block.saturating_add(SCOPE_BLOCK * 8);
        let end = if number == size { next.unwrap_or(full) } else { full };
        words.extend(range(memory, block..end.clamp(block, full)));
    }
    words
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Every word refers to the same place, so that a list of blocks has no end.
    struct Ring {
        reads: Cell<u32>,
    }

    const READS: u32 = 100;

    impl Memory for Ring {
        fn read(&self, _: u64, to: &mut [u8]) -> bool {
            self.reads.set(self.reads.get() + 1);
            to.as_chunks_mut().0.iter_mut().for_each(|word| *word = 0x1000_u64.to_le_bytes());
            true
        }

        fn is_over(&self) -> bool {
            self.reads.get() >= READS
        }
    }

    #[test]
    fn reading_ends_when_the_time_is_over() {
        let readers: [fn(&Ring) -> Vec<u64>; 3] = [
            |ring| global(ring, 0),
            |ring| scopes(ring, HandlePlaces { next: 0, implementer: 8, global: 16 }, 0),
            |ring| range(ring, 0..1 << 30),
        ];
        for read in readers {
            let ring = Ring { reads: Cell::new(0) };
            read(&ring);
            assert!(ring.reads.get() <= READS + 2, "{}", ring.reads.get());
        }
    }
}

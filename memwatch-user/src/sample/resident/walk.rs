//! What memory of no name is used for, by what it holds. The kernel joins neighbours into one mapping, so that one can
//! hold blocks of malloc, pages of V8 and a stack: it is walked from header to header.

use super::{Use, glibc, memory::Memory, smaps::Mapping};
use crate::v8::page;

/// Pages of a mapping that are tried for a header where none is expected. More than a stack has; with more, only the
/// places are tried where V8 and arenas begin. A try costs about 2 µs.
const TRIES: u32 = 4096;

/// What is larger and hardly resident (a table of a sanitizer's has 16 TiB) is not walked: each place where a page of V8's could
/// begin is a try, which are a second for each terabyte. V8's largest heap has 16 GiB.
const MOST_WALKED: u64 = 64 << 30;
/// The part of it that is resident, at least, of what is walked.
const LEAST_RESIDENT: u64 = 16;

/// A part of a mapping that is used for one thing.
struct Part {
    used_for: Use,
    start: u64,
    end: u64,
}

/// Goes through the mappings of a process in the order of their addresses.
pub(super) struct Walk<'a> {
    memory: &'a Memory,
    /// A page of V8's can have several mappings, as guards within it have no permissions: until where it goes.
    page_end: u64,
}

impl<'a> Walk<'a> {
    pub(super) const fn new(memory: &'a Memory) -> Self {
        Self { memory, page_end: 0 }
    }

    /// What a mapping's resident bytes are used for; together they are all of them. `rest` is what has no header.
    pub(super) fn split(&mut self, mapping: &Mapping, rest: Use) -> Vec<(Use, u64)> {
        if let Some(used_for) = mapping.used_for {
            return vec![(used_for, mapping.rss)];
        }
        let size = mapping.end - mapping.start;
        if size > MOST_WALKED && mapping.rss < size / LEAST_RESIDENT {
            return vec![(rest, mapping.rss)];
        }
        let parts = self.parts(mapping, rest);
        if let [only] = parts.as_slice() {
            return vec![(only.used_for, mapping.rss)];
        }
        let mut left = mapping.rss;
        let mut share = |part: &Part| {
            let bytes = self.memory.resident(part.start, part.end).min(left);
            left -= bytes;
            (part.used_for, bytes)
        };
        let mut shares: Vec<_> = parts.iter().map(&mut share).collect();
        shares.push((rest, left));
        shares
    }

    fn parts(&mut self, mapping: &Mapping, rest: Use) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        let (mut at, mut tries) = (mapping.start, TRIES);
        let mut unknown = None;
        while at < mapping.end {
            let (used_for, end) = if let Some(known) = self.block(at, mapping) {
                unknown = None;
                known
            } else {
                let used_for = *unknown.get_or_insert_with(|| self.without_header(at, mapping.end, rest));
                (used_for, self.skip(at, mapping.end, &mut tries))
            };
            let end = end.min(mapping.end);
            match parts.last_mut() {
                Some(last) if last.used_for == used_for => last.end = end,
                _ => parts.push(Part { used_for, start: at, end }),
            }
            at = end;
        }
        parts
    }

    /// What a stretch is used for that begins at `at` without a header.
    fn without_header(&self, at: u64, end: u64, rest: Use) -> Use {
        if glibc::is_heap(at, end, |address| self.memory.words(address)) { Use::Malloc } else { rest }
    }

    /// What begins at `at`, or goes on there, and where it ends.
    fn block(&mut self, at: u64, mapping: &Mapping) -> Option<(Use, u64)> {
        if at < self.page_end {
            return Some((Use::V8, self.page_end));
        }
        let is_resident = mapping.rss == mapping.end - mapping.start;
        let words = if is_resident { self.memory.words_there(at) } else { self.memory.words(at) }?;
        let read = |address| if address == at { Some(words) } else { self.memory.words(address) };
        if at.is_multiple_of(page::ALIGNMENT)
            && let Some(size) = page::size(at, read)
        {
            // No page but one of a large object, which has one mapping, is larger than the alignment.
            self.page_end = at + size.min(page::ALIGNMENT);
            return Some((Use::V8, at + size));
        }
        let size = glibc::arena(at, &words).or_else(|| glibc::mapped_block(&words))?;
        (size <= mapping.end - at).then(|| (Use::Malloc, at + size))
    }

    /// The next place to look for a header: a page that is in memory, or where V8's pages and arenas begin.
    fn skip(&self, at: u64, end: u64, tries: &mut u32) -> u64 {
        let aligned = (at / page::ALIGNMENT + 1).saturating_mul(page::ALIGNMENT).min(end);
        if *tries == 0 {
            return aligned;
        }
        *tries -= 1;
        self.memory.next_present(self.memory.after(at), aligned)
    }
}

#[cfg(test)]
mod tests {
    use std::process;

    use memmap2::MmapMut;

    use super::*;

    const PAGE: u64 = 4096;

    /// Memory of our own that begins where a page of V8's could.
    struct Own {
        map: MmapMut,
        start: u64,
    }

    impl Own {
        fn new(size: u64) -> Self {
            let map = MmapMut::map_anon(usize::try_from(size + page::ALIGNMENT).unwrap()).unwrap();
            let start = (map.as_ptr() as u64).next_multiple_of(page::ALIGNMENT);
            Self { map, start }
        }

        fn write(&mut self, at: u64, words: &[u64]) {
            let offset = usize::try_from(self.start + at - self.map.as_ptr() as u64).unwrap();
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            self.map[offset..offset + bytes.len()].copy_from_slice(&bytes);
        }

        fn split(&self, size: u64, rss: u64, rest: Use) -> Vec<(Use, u64)> {
            let memory = Memory::open(process::id()).unwrap();
            let mapping = Mapping { start: self.start, end: self.start + size, rss, used_for: None };
            Walk::new(&memory).split(&mapping, rest)
        }
    }

    fn header(page: u64) -> [u64; 7] {
        [page::ALIGNMENT, 4, 1, 1, 1, page + 0x118, page + page::ALIGNMENT]
    }

    #[test]
    fn what_is_vast_and_empty_is_not_walked() {
        let own = Own::new(page::ALIGNMENT);
        assert_eq!(own.split(1 << 60, 12 * PAGE, Use::Other), [(Use::Other, 12 * PAGE)]);
    }

    #[test]
    fn neighbours_in_one_mapping() {
        let block = page::ALIGNMENT;
        let mut own = Own::new(5 * block);
        own.write(0, &header(own.start));
        own.write(block, &[0, block | 2]);
        own.write(block + 8 * PAGE, &[7]);
        // Untouched up to the last two pages before the next block: a stack.
        own.write(3 * block - 2 * PAGE, &[7]);
        own.write(3 * block - PAGE, &[7]);
        own.write(3 * block, &[0, (PAGE * 3) | 2]);
        own.write(3 * block + 3 * PAGE, &[0, (PAGE * 5) | 2]);
        let expected = [
            (Use::V8, PAGE),
            (Use::Malloc, 2 * PAGE),
            (Use::Stack, 2 * PAGE),
            (Use::Malloc, 2 * PAGE),
            (Use::Stack, 0),
            (Use::Stack, 3 * PAGE),
        ];
        assert_eq!(own.split(5 * block, 10 * PAGE, Use::Stack), expected);
    }

    #[test]
    fn all_of_it_is_somewhere_and_nothing_is_counted_twice() {
        let mut own = Own::new(2 * page::ALIGNMENT);
        own.write(0, &header(own.start));
        own.write(page::ALIGNMENT, &[7]);
        for rss in [0, PAGE, 2 * PAGE, 100 * PAGE] {
            let parts = own.split(2 * page::ALIGNMENT, rss, Use::Other);
            assert_eq!(parts.iter().map(|(_, bytes)| bytes).sum::<u64>(), rss, "{parts:?}");
        }
        assert_eq!(own.split(page::ALIGNMENT, 9, Use::Other), [(Use::V8, 9)]);
    }

    #[test]
    fn the_main_arena_goes_on_between_blocks() {
        let mut own = Own::new(page::ALIGNMENT);
        own.write(0, &[0, PAGE | 2]);
        own.write(PAGE, &[0, 0x31, 7, 7, 7, 7, 7, (PAGE * 2) | 1]);
        own.write(4 * PAGE, &[0, PAGE | 2]);
        own.write(5 * PAGE, &[7]);
        let expected = [(Use::Malloc, 3 * PAGE), (Use::Other, PAGE), (Use::Other, 0)];
        assert_eq!(own.split(page::ALIGNMENT, 4 * PAGE, Use::Other), expected);
    }

    #[test]
    fn a_block_beyond_its_mapping_is_none() {
        let mut own = Own::new(page::ALIGNMENT);
        own.write(0, &[0, (1 << 40) | 2]);
        assert_eq!(own.split(page::ALIGNMENT, PAGE, Use::Other), [(Use::Other, PAGE)]);
    }

    #[test]
    fn looking_brings_nothing_into_memory() {
        let own = Own::new(8 * page::ALIGNMENT);
        let memory = Memory::open(process::id()).unwrap();
        assert_eq!(own.split(8 * page::ALIGNMENT, PAGE, Use::Other), [(Use::Other, PAGE)]);
        assert_eq!(memory.resident(own.start, own.start + 8 * page::ALIGNMENT), 0);
        assert_eq!(memory.words(u64::MAX - 3), None);
        assert_eq!(memory.words(0), None);
    }
}

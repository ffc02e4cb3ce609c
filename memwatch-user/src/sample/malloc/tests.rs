//! Counting in an image of memory that is made here, sound and damaged.

use std::{cell::Cell, collections::BTreeMap};

use super::{
    layout::{
        ARENA_LEN, BINS, FASTBINS, HEAP_MAX, HEAP_PREV, HEAP_SIZE, LAST_SMALL_BIN, MAX_SYSTEM_MEM, NEXT,
        SYSTEM_MEM, TOP,
    },
    lists::Stop,
    *,
};

const MAIN: u64 = 0x10_0000;
const MMAPPED: u64 = 0x10_1000;
const HEAP: u64 = 0x10_2000;
/// Bytes of the last chunk of every heap that is made here.
const TOP_SIZE: u64 = 0x200;

const LOCATED: Located = Located { main_arena: MAIN, mmapped: MMAPPED, safe_linking: true };

/// Words by their addresses.
#[derive(Clone, Default)]
struct Image {
    words: BTreeMap<u64, u64>,
    reads: Cell<usize>,
}

impl Memory for Image {
    fn fill(&self, at: u64, to: &mut [u8]) -> Option<()> {
        self.reads.set(self.reads.get() + 1);
        let page = at & !0xfff;
        let is_there = self.words.range(page..page.checked_add(0x1000)?).next().is_some();
        for (index, byte) in to.iter_mut().enumerate() {
            let address = at.checked_add(index as u64)?;
            let word = self.words.get(&(address & !7)).copied().unwrap_or(0);
            *byte = word.to_le_bytes()[usize::try_from(address & 7).unwrap()];
        }
        is_there.then_some(())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Used,
    Free,
    Fast,
}
use Kind::{Fast, Free, Used};

impl Image {
    /// A process whose main arena holds `chunks`.
    fn of(chunks: &[(u64, Kind)]) -> Self {
        let mut image = Self::default();
        image.words.insert(MMAPPED, 0x3000);
        image.words.insert(MMAPPED + 8, 0x4000);
        image.words.insert(MMAPPED + SBRK_BASE, HEAP);
        let end = image.arena(MAIN, HEAP, chunks);
        image.sizes(MAIN, end + TOP_SIZE - HEAP);
        image
    }

    fn set(&mut self, arena: u64, offset: usize, word: u64) {
        self.words.insert(arena + offset as u64, word);
    }

    fn sizes(&mut self, arena: u64, system_mem: u64) {
        self.set(arena, SYSTEM_MEM, system_mem);
        self.set(arena, MAX_SYSTEM_MEM, system_mem);
    }

    /// An arena with empty lists, alone in its ring, whose chunks begin at `start`; where its last chunk is.
    fn arena(&mut self, arena: u64, start: u64, chunks: &[(u64, Kind)]) -> u64 {
        for offset in (BINS..NEXT - 16).step_by(16) {
            let head = arena + offset as u64 - 16;
            self.set(arena, offset, head);
            self.set(arena, offset + 8, head);
        }
        self.set(arena, NEXT, arena);
        let top = self.chunks(arena, start, chunks);
        self.set(arena, TOP, top);
        self.words.insert(top + 8, *self.words.get(&(top + 8)).unwrap() | TOP_SIZE);
        top
    }

    /// Chunks from `start` on, the free ones in lists of `arena`; where the next one would be.
    fn chunks(&mut self, arena: u64, start: u64, chunks: &[(u64, Kind)]) -> u64 {
        let mut at = start;
        self.words.insert(at + 8, 1);
        for &(size, kind) in chunks {
            *self.words.get_mut(&(at + 8)).unwrap() |= size;
            let next = at + size;
            self.words.insert(next + 8, u64::from(kind != Free));
            match kind {
                Used => {}
                Free => {
                    self.words.insert(next, size);
                    self.link(arena, at, size);
                }
                Fast => {
                    let list = FASTBINS + 8 * usize::try_from(size / 16 - 2).unwrap();
                    let first = self.words.get(&(arena + list as u64)).copied().unwrap_or(0);
                    self.words.insert(at + 16, first ^ ((at + 16) >> 12));
                    self.set(arena, list, at);
                }
            }
            at = next;
        }
        at
    }

    /// Puts a free chunk at the front of its list.
    fn link(&mut self, arena: u64, at: u64, size: u64) {
        let small = usize::try_from(size / 16).unwrap();
        let bin = if small <= LAST_SMALL_BIN { small } else { 1 };
        let head = arena + (BINS + 16 * (bin - 1)) as u64 - 16;
        let first = self.words[&(head + 16)];
        self.words.extend([(at + 16, first), (at + 24, head), (head + 16, at), (first + 24, at)]);
    }

    fn count(&self) -> Option<MallocBooks> {
        count(self, &LOCATED)
    }
}

fn sample() -> Vec<(u64, Kind)> {
    let some =
        [(0x40, Used), (0x50, Free), (0x20, Used), (0x30, Fast), (0x800, Free), (0x60, Used), (0x50, Free)];
    some.into_iter().chain([(0x30, Fast), (0x90, Used)]).cycle().take(90).collect()
}

fn bytes(kind: Kind) -> u64 {
    sample().iter().filter(|(_, of)| *of == kind).map(|(size, _)| size).sum()
}

fn expected() -> MallocBooks {
    let free = bytes(Free) + bytes(Fast) + TOP_SIZE;
    MallocBooks { in_use: bytes(Used) + 0x3000, mmapped: 0x3000, free, arenas: 1, exact: true }
}

#[test]
fn what_is_free_is_counted_along_the_lists() {
    let image = Image::of(&sample());
    assert_eq!(image.count(), Some(expected()));
    assert!(image.reads.get() < 24, "pages are read once: {}", image.reads.get());
    assert_eq!(Image::of(&[]).count().map(|books| (books.in_use, books.free)), Some((0x3000, TOP_SIZE)));
}

#[test]
fn lists_that_are_too_long_or_torn_are_given_up_and_the_heap_is_scanned() {
    let image = Image::of(&sample());
    let arenas = arena::ring(&image, MAIN).unwrap();
    let bins = |pages| Walk::new(&image, true, pages).bins(&arenas[0]);
    assert_eq!(bins(100), Ok(bytes(Free)));
    assert_eq!(bins(2), Err(Stop::Long));
    let scan = |most| scan::scan(&image, &arenas[0], Some(HEAP), most).unwrap();
    let (all, free) = (bytes(Used) + bytes(Free) + bytes(Fast), bytes(Free));
    assert_eq!(scan(u64::MAX), scan::Scan { free, seen: all, all });
    let half = scan(all / 2);
    assert!((all / 2..all / 2 + 0x800).contains(&half.seen));
    assert!(half.estimate().unwrap().abs_diff(free) < free / 5, "{half:?}");
    assert_eq!(scan(0).estimate(), None);
    assert_eq!(scan::scan(&image, &arenas[0], Some(HEAP + 16), u64::MAX), None, "not in one piece");
}

/// Where the first free chunk of [`sample`] is, and the first one in a fastbin.
const FREE_AT: u64 = HEAP + 0x40;
const FAST_AT: u64 = HEAP + 0x40 + 0x50 + 0x20;

#[test]
fn damage_is_noticed_and_what_can_be_told_is_told() {
    let whole = Some(true);
    for (what, at, word, outcome) in [
        ("a list that leads into itself", FREE_AT + 16, FREE_AT, whole),
        ("a list that leads nowhere", FREE_AT + 16, 0, whole),
        ("a list that leads between chunks", FREE_AT + 16, HEAP + 8, whole),
        ("a list that leads to unmapped memory", FREE_AT + 16, 1 << 62, whole),
        ("a link back to somewhere else", FREE_AT + 24, HEAP, whole),
        ("a fastbin that leads into itself", FAST_AT + 16, FAST_AT ^ ((FAST_AT + 16) >> 12), None),
        ("a fastbin that leads nowhere", FAST_AT + 16, !0, Some(false)),
        ("a size of nothing", FREE_AT + 8, 1, None),
        ("a size of more than there is", FREE_AT + 8, u64::MAX - 6, None),
        (
            "a last chunk larger than the arena",
            HEAP + bytes(Used) + bytes(Free) + bytes(Fast) + 8,
            1 << 40,
            None,
        ),
        ("an arena without memory", MAIN + SYSTEM_MEM as u64, 0, None),
        ("a next arena where no arena can be", MAIN + NEXT as u64, HEAP, None),
        ("a list without a head", MAIN + BINS as u64, 0, None),
    ] {
        let mut image = Image::of(&sample());
        image.words.insert(at, word);
        let books = image.count();
        assert_eq!(books.map(|books| books.exact), outcome, "{what}");
        if outcome == whole {
            assert_eq!(books, Some(expected()), "{what}");
        }
        assert!(image.reads.get() < 2_000, "{what}: {} reads", image.reads.get());
    }
}

/// A number that looks random, of any size.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> (*state % 60)
}

#[test]
fn whatever_is_in_memory_reading_ends() {
    let mut state = 88_172_645_463_325_252;
    let sound = Image::of(&sample());
    let places: Vec<u64> = sound.words.keys().copied().collect();
    for _ in 0..300 {
        let mut image = sound.clone();
        for _ in 0..3 {
            let at = places[usize::try_from(next(&mut state)).unwrap_or(0) % places.len()];
            let known = places[usize::try_from(next(&mut state)).unwrap_or(0) % places.len()];
            let word = if next(&mut state).is_multiple_of(2) { known } else { next(&mut state) };
            image.words.insert(at, word);
        }
        if let Some(books) = image.count() {
            let all = bytes(Used) + bytes(Free) + bytes(Fast) + TOP_SIZE;
            assert!(books.free <= all.max(image.words[&(MAIN + SYSTEM_MEM as u64)]));
        }
        assert!(image.reads.get() < 5_000, "{} reads", image.reads.get());
    }
}

/// An arena of a thread, in two heaps, the first of which was closed when it was full.
#[test]
fn arenas_of_threads_are_found_and_scanned_heap_by_heap() {
    const HEADER: u64 = 0x30;
    let [first, second] = [0x7000 * HEAP_MAX, 0x7002 * HEAP_MAX];
    let arena = first + HEADER;
    let start = (arena + ARENA_LEN as u64).next_multiple_of(16);
    let mut image = Image::of(&sample());
    let top = image.arena(arena, second + HEADER, &sample());
    let closed = image.chunks(arena, start, &sample());
    *image.words.get_mut(&(closed + 8)).unwrap() |= 16;
    image.words.insert(closed + 16 + 8, 1);
    let first_size = closed + 32 - first;
    let all = first_size + top + TOP_SIZE - second;
    image.sizes(arena, all);
    image.set(arena, NEXT, MAIN);
    image.set(MAIN, NEXT, arena);
    image.words.extend([
        (first, arena),
        (first + HEAP_SIZE, first_size),
        (second, arena),
        (second + HEAP_PREV, first),
    ]);

    let free = 2 * (bytes(Free) + bytes(Fast)) + TOP_SIZE;
    let both = MallocBooks {
        in_use: expected().in_use + all - free,
        free: expected().free + free,
        arenas: 2,
        ..expected()
    };
    assert_eq!(image.count(), Some(both));
    let arenas = arena::ring(&image, MAIN).unwrap();
    let scan = scan::scan(&image, &arenas[1], None, u64::MAX).unwrap();
    assert_eq!((scan.free, scan.seen), (2 * bytes(Free), scan.all));

    image.words.insert(first, MAIN);
    assert_eq!(image.count(), None, "the heap belongs to another arena");
}

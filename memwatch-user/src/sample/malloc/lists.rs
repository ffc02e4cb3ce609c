//! Free chunks, counted as `mallinfo2` counts them: along the lists that hold them.
//!
//! The process goes on meanwhile. Nodes are checked before they are believed: where it lies, its size, and that it points
//! back to where we come from. A list that does not hold together is walked again from its head.

use super::{
    arena::Arena,
    layout::{
        BIN_COUNT, CHUNK_ALIGN, CHUNK_FD, CHUNK_FLAGS, CHUNK_SIZE, FASTBIN_COUNT, LAST_SMALL_BIN, MIN_CHUNK,
        is_aligned,
    },
    memory::{Memory, Pages},
};

/// How often a list is walked until it holds together.
const TRIES: usize = 4;
/// Nodes that a walk looks at: 0.02 s where they lie close together. Ends walks in circles, too.
const MAX_NODES: usize = 300_000;

/// Why lists were not counted out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// They changed under our eyes, or are no lists.
    Torn,
    /// They hold more nodes, or are spread over more pages, than may be looked at.
    Long,
}

/// Walks lists of one process, as far as it may.
pub(super) struct Walk<'memory, M> {
    memory: &'memory M,
    pages: Pages<'memory, M>,
    safe_linking: bool,
    nodes_left: usize,
}

impl<'memory, M: Memory> Walk<'memory, M> {
    pub(super) fn new(memory: &'memory M, safe_linking: bool, pages: usize) -> Self {
        Self { memory, pages: Pages::of(memory, pages), safe_linking, nodes_left: MAX_NODES }
    }

    /// Bytes of the chunks in the doubly linked lists of `arena`.
    pub(super) fn bins(&mut self, arena: &Arena) -> Result<u64, Stop> {
        let mut bytes = 0_u64;
        for number in 1..=BIN_COUNT {
            let [first, _] = arena.ends(number);
            if first != arena.bin(number) {
                bytes = bytes.saturating_add(self.bin(arena, number, first)?);
            }
        }
        Ok(bytes)
    }

    fn bin(&mut self, arena: &Arena, number: usize, first: u64) -> Result<u64, Stop> {
        let head = arena.bin(number);
        let mut counted = self.bin_once(arena, number, first);
        for _ in 1..TRIES {
            if counted != Err(Stop::Torn) {
                break;
            }
            self.pages.forget();
            let first = self.memory.word(head + CHUNK_FD).ok_or(Stop::Torn)?;
            counted = self.bin_once(arena, number, first);
        }
        counted
    }

    fn bin_once(&mut self, arena: &Arena, number: usize, first: u64) -> Result<u64, Stop> {
        let head = arena.bin(number);
        let is_size = |size: u64| match number {
            2..=LAST_SMALL_BIN => size == number as u64 * CHUNK_ALIGN,
            _ => (MIN_CHUNK..=arena.system_mem()).contains(&size) && size.is_multiple_of(CHUNK_ALIGN),
        };
        let (mut bytes, mut from, mut at) = (0_u64, head, first);
        while at != head {
            let [size, fd, bk] = self.node(at)?;
            let size = size & !CHUNK_FLAGS;
            if bk != from || !is_size(size) {
                return Err(Stop::Torn);
            }
            bytes = bytes.saturating_add(size);
            (from, at) = (at, fd);
        }
        Ok(bytes)
    }

    /// Bytes of the chunks in the fastbins of `arena`, which are linked one way only, and whether these are all.
    pub(super) fn fastbins(&mut self, arena: &Arena) -> (u64, bool) {
        (0..FASTBIN_COUNT).fold((0, true), |(bytes, all), index| {
            let (more, is_whole) = self.fastbin(arena.fastbin(index), MIN_CHUNK + CHUNK_ALIGN * index as u64);
            (bytes + more, all && is_whole)
        })
    }

    fn fastbin(&mut self, first: u64, size: u64) -> (u64, bool) {
        let (mut bytes, mut at) = (0, first);
        while at != 0 {
            match self.node(at) {
                Ok([found, fd]) if found & !CHUNK_FLAGS == size => {
                    let mask = if self.safe_linking { (at + CHUNK_FD) >> 12 } else { 0 };
                    (bytes, at) = (bytes + size, fd ^ mask);
                }
                _ => return (bytes, false),
            }
        }
        (bytes, true)
    }

    /// The words of a chunk from its size on.
    fn node<const N: usize>(&mut self, at: u64) -> Result<[u64; N], Stop> {
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or(Stop::Long)?;
        let words = is_aligned(at).then(|| self.pages.words(at.checked_add(CHUNK_SIZE)?));
        words.flatten().ok_or(if self.pages.is_exhausted() { Stop::Long } else { Stop::Torn })
    }
}

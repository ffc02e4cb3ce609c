//! Arenas: glibc's heaps, one that grows by brk and others in mappings, in a ring.

use super::{
    layout::{
        ARENA_LEN, BIN_COUNT, BINS, CHUNK_FLAGS, CHUNK_SIZE, FASTBINS, HEAP_ARENA, HEAP_INFO_LENS, HEAP_MAX,
        MAX_SYSTEM_MEM, MUTEX, NEXT, SYSTEM_MEM, TOP, is_aligned,
    },
    memory::{Memory, word_in},
};

/// More than glibc makes on any machine: eight a core, unless it is told otherwise.
const MAX_ARENAS: usize = 4096;
/// How often an arena that changes under our eyes is read again.
const TRIES: usize = 8;

/// One arena, as it was at one moment.
pub(super) struct Arena {
    /// Where it is.
    pub(super) address: u64,
    /// Bytes of the chunk at its end.
    pub(super) top_size: u64,
    /// Whether nothing changed while this was read.
    pub(super) settled: bool,
    state: [u8; ARENA_LEN],
}

/// All arenas, the one at `main` first; the reason if what is there are no arenas.
pub(super) fn ring(memory: &impl Memory, main: u64) -> Result<Vec<Arena>, &'static str> {
    let mut arenas: Vec<Arena> = Vec::new();
    let mut address = main;
    while arenas.len() < MAX_ARENAS {
        if address != main && !is_in_heap(memory, address) {
            return Err("an arena is not where arenas are");
        }
        let arena = Arena::read(memory, address).ok_or("an arena cannot be read")?;
        arena.check()?;
        address = arena.word(NEXT);
        arenas.push(arena);
        if address == main {
            return Ok(arenas);
        }
    }
    Err("the arenas are not in a ring")
}

/// Whether `address` is that of an arena other than the main one: behind the header of its first heap, which names it.
fn is_in_heap(memory: &impl Memory, address: u64) -> bool {
    let heap = heap_of(address);
    HEAP_INFO_LENS.contains(&(address - heap)) && memory.word(heap + HEAP_ARENA) == Some(address)
}

/// The heap that holds what is at `address` in an arena that is not the main one.
pub(super) const fn heap_of(address: u64) -> u64 {
    address & !(HEAP_MAX - 1)
}

impl Arena {
    fn read(memory: &impl Memory, address: u64) -> Option<Self> {
        let mut arena = Self::read_once(memory, address)?;
        for _ in 1..TRIES {
            let again = Self::read_once(memory, address)?;
            let is_locked = word_in(&again.state, MUTEX)? & 0xffff_ffff != 0;
            let is_same = (again.state, again.top_size) == (arena.state, arena.top_size);
            arena = again;
            if is_same && !is_locked {
                arena.settled = true;
                break;
            }
        }
        Some(arena)
    }

    fn read_once(memory: &impl Memory, address: u64) -> Option<Self> {
        let mut state = [0; ARENA_LEN];
        memory.fill(address, &mut state)?;
        let top = word_in(&state, TOP)?.checked_add(CHUNK_SIZE)?;
        let top_size = memory.word(top)? & !CHUNK_FLAGS;
        Some(Self { address, top_size, settled: false, state })
    }

    /// What is true of any arena that is in use.
    fn check(&self) -> Result<(), &'static str> {
        let (system_mem, most) = (self.system_mem(), self.word(MAX_SYSTEM_MEM));
        if system_mem == 0 || system_mem > most || self.top_size > system_mem {
            return Err("an arena's sizes contradict each other");
        }
        let are_lists = (1..=BIN_COUNT).all(|bin| {
            let (head, [fd, bk]) = (self.bin(bin), self.ends(bin));
            (fd == head) == (bk == head) && is_aligned(fd) && is_aligned(bk)
        });
        if are_lists && is_aligned(self.top()) { Ok(()) } else { Err("an arena's lists are no lists") }
    }

    /// The word at `offset`, which is one of [`super::layout`].
    fn word(&self, offset: usize) -> u64 {
        word_in(&self.state, offset).unwrap_or_default()
    }

    /// Bytes that it has from the kernel.
    pub(super) fn system_mem(&self) -> u64 {
        self.word(SYSTEM_MEM)
    }

    /// The chunk at its end.
    pub(super) fn top(&self) -> u64 {
        self.word(TOP)
    }

    /// The first chunk of a fastbin, or 0.
    pub(super) fn fastbin(&self, index: usize) -> u64 {
        self.word(FASTBINS + 8 * index)
    }

    /// The head of the list with a number from 1 on, as if it were a chunk: its links are where a chunk has them.
    pub(super) fn bin(&self, number: usize) -> u64 {
        self.address + (BINS + 16 * (number - 1) - 16) as u64
    }

    /// First and last chunk of the list; its own head if it is empty.
    pub(super) fn ends(&self, number: usize) -> [u64; 2] {
        [0, 8].map(|offset| self.word(BINS + 16 * (number - 1) + offset))
    }
}

//! The books of a process's allocator, read from outside: what `mallinfo2` would answer if it were called in there.
//!
//! They tell a native leak (bytes in use rise) from fragmentation (memory rises, bytes in use do not), and know of blocks
//! from before anybody looked. Only glibc's are known. Where they are is derived from the code of the very library
//! (`decode`), compared with what is in memory (`locate`), and only then believed. Nothing is written, called or stopped;
//! pages that were swapped out come back where lists lead through them.
//!
//! Free chunks are counted along their lists (`lists`). Where these are too long or do not hold together, the heap is
//! looked through from one end to the other (`scan`), up to a limit; what lies behind it is taken to be like what was
//! seen, and then the result is not `exact`. Neither is it where a fastbin was not walked to its end, the chunks that were
//! not reached counting as in use, or where an arena never stood still while it was read.

mod arena;
mod decode;
mod layout;
mod lists;
mod locate;
mod memory;
mod scan;

use std::fs::File;

pub use self::{decode::DecodeError, locate::Unreadable};

use self::{arena::Arena, layout::SBRK_BASE, lists::Walk, locate::Located, memory::Memory};
use crate::model::MallocBooks;

/// Pages that a reading looks at for the sake of each kind of list: 0.04 s.
const MAX_PAGES: usize = 30_000;
/// Bytes that a reading looks through: 0.1 s.
const MAX_SCAN: u64 = 512 << 20;

/// The books of one process.
#[derive(Debug)]
pub struct Books {
    memory: File,
    located: Located,
}

impl Books {
    /// Reads them, if the process is still there and its books make sense at this moment. May take tenths of a second.
    #[must_use]
    pub fn read(&self) -> Option<MallocBooks> {
        count(&self.memory, &self.located)
    }
}

fn count(memory: &impl Memory, located: &Located) -> Option<MallocBooks> {
    let arenas = arena::ring(memory, located.main_arena).ok()?;
    let mmapped = memory.word(located.mmapped)?;
    let mut counter = Counter {
        memory,
        main_arena: located.main_arena,
        base: memory.word(located.mmapped + SBRK_BASE)?,
        fast: Walk::new(memory, located.safe_linking, MAX_PAGES),
        bins: Walk::new(memory, located.safe_linking, MAX_PAGES),
        most: MAX_SCAN / arenas.len() as u64,
    };
    let arena_count = u32::try_from(arenas.len()).ok()?;
    let start = MallocBooks { in_use: mmapped, mmapped, free: 0, arenas: arena_count, exact: true };
    arenas.iter().try_fold(start, |books, arena| {
        let (free, exact) = counter.free(arena)?;
        let in_use = books.in_use.saturating_add(arena.system_mem().checked_sub(free)?);
        Some(MallocBooks { in_use, free: books.free + free, exact: books.exact && exact, ..books })
    })
}

/// Counts free bytes of arenas.
struct Counter<'memory, M> {
    memory: &'memory M,
    main_arena: u64,
    base: u64,
    fast: Walk<'memory, M>,
    bins: Walk<'memory, M>,
    most: u64,
}

impl<M: Memory> Counter<'_, M> {
    /// Free bytes of `arena`, and whether they were counted out.
    fn free(&mut self, arena: &Arena) -> Option<(u64, bool)> {
        let (fast, is_whole) = self.fast.fastbins(arena);
        let (binned, is_counted) = match self.bins.bins(arena) {
            Ok(bytes) => (bytes, true),
            Err(_) => self.scanned(arena)?,
        };
        let free = arena.top_size.checked_add(fast)?.checked_add(binned)?;
        Some((free, arena.settled && is_whole && is_counted))
    }

    /// Free bytes but those in fastbins, which look like blocks in use here, and but the last chunk's.
    fn scanned(&self, arena: &Arena) -> Option<(u64, bool)> {
        let base = (arena.address == self.main_arena).then_some(self.base);
        let scan = scan::scan(self.memory, arena, base, self.most)?;
        Some((scan.estimate()?, scan.seen == scan.all))
    }
}

#[cfg(test)]
mod tests;

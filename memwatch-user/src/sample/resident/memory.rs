//! Reads another process's memory, and only what is in memory already.

use std::{fs::File, os::unix::fs::FileExt};

use super::super::proc;
use crate::{
    target::pagemap::{Page, Pagemap},
    v8::page::{WORDS, Words},
};

/// A process's memory.
#[derive(Debug)]
pub(super) struct Memory {
    mem: File,
    pagemap: Pagemap,
}

impl Memory {
    /// `None` if the process is gone or not ours to read.
    pub(super) fn open(pid: u32) -> Option<Self> {
        let mem = File::open(proc::path(pid, "mem")).ok()?;
        Some(Self { mem, pagemap: Pagemap::open(pid).ok()? })
    }

    /// The words at `address`; `None` unless all of them are in memory.
    pub(super) fn words(&self, address: u64) -> Option<Words> {
        let size = (WORDS * size_of::<u64>()) as u64;
        let last = address.checked_add(size - 1)?;
        let pages = last / self.page() - address / self.page() + 1;
        if self.present(address, last + 1).filter(|present| *present).count() as u64 != pages {
            return None;
        }
        self.words_there(address)
    }

    /// The same where all of the mapping is known to be in memory.
    pub(super) fn words_there(&self, address: u64) -> Option<Words> {
        let mut bytes = [0; WORDS * size_of::<u64>()];
        self.mem.read_exact_at(&mut bytes, address).ok()?;
        let (words, _) = bytes.as_chunks();
        let mut all = [0; WORDS];
        all.iter_mut().zip(words).for_each(|(word, bytes)| *word = u64::from_ne_bytes(*bytes));
        Some(all)
    }

    /// The first page in memory from `start` on, which is the begin of a page; `end` if there is none.
    pub(super) fn next_present(&self, start: u64, end: u64) -> u64 {
        let pages = self.present(start, end).take_while(|present| !present).count() as u64;
        (start + pages * self.page()).min(end)
    }

    /// Bytes from `start` to `end` that are in memory.
    pub(super) fn resident(&self, start: u64, end: u64) -> u64 {
        self.present(start, end).filter(|present| *present).count() as u64 * self.page()
    }

    const fn page(&self) -> u64 {
        self.pagemap.page()
    }

    /// The first address of the page after that of `address`.
    pub(super) fn after(&self, address: u64) -> u64 {
        (address / self.page() + 1).saturating_mul(self.page())
    }

    /// Of each page of a range, whether it is in memory; ends early where there cannot be memory.
    fn present(&self, start: u64, end: u64) -> impl Iterator<Item = bool> {
        self.pagemap.pages(start, end).map(Page::is_present)
    }
}

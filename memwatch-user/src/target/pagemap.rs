//! /proc/PID/pagemap: where each page of a process is, told without bringing it into memory.

use std::{fs::File, io, os::unix::fs::FileExt};

/// Bytes of an entry, one for each page.
const ENTRY: usize = 8;
/// Entries that are read at once.
const BATCH: usize = 512;

/// Where the pages of one process are.
#[derive(Debug)]
pub(crate) struct Pagemap {
    file: File,
    page: u64,
}

/// Where one page is: an entry as the kernel has it (Documentation/admin-guide/mm/pagemap.rst).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page(u64);

impl Page {
    /// In memory.
    #[must_use]
    pub(crate) const fn is_present(self) -> bool {
        self.0 & 1 << 63 != 0
    }

    /// The process's own, in memory or swapped out; not of a file, nor shared, nor a guard (`MADV_GUARD_INSTALL`, Linux 6.13),
    /// which the kernel shows as swapped out, though there is no memory behind it.
    #[must_use]
    pub(crate) const fn is_held(self) -> bool {
        self.0 & 3 << 62 != 0 && self.0 & (1 << 61 | 1 << 58) == 0
    }
}

impl Pagemap {
    /// Of the process `pid`.
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        let file = File::open(format!("/proc/{pid}/pagemap"))?;
        Ok(Self { file, page: rustix::param::page_size() as u64 })
    }

    /// Bytes of a page.
    #[must_use]
    pub(crate) const fn page(&self) -> u64 {
        self.page
    }

    /// The pages from `start` to `end`; ends early where there cannot be memory.
    pub(crate) fn pages(&self, start: u64, end: u64) -> impl Iterator<Item = Page> {
        let pages = start / self.page..end.div_ceil(self.page);
        let batches = pages.clone().step_by(BATCH);
        batches.map_while(move |first| self.batch(first, pages.end)).flatten()
    }

    fn batch(&self, first: u64, end: u64) -> Option<Vec<Page>> {
        let mut bytes = vec![0; BATCH.min(usize::try_from(end - first).ok()?) * ENTRY];
        self.file.read_exact_at(&mut bytes, first.checked_mul(ENTRY as u64)?).ok()?;
        let (entries, _) = bytes.as_chunks();
        Some(entries.iter().map(|entry| Page(u64::from_ne_bytes(*entry))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_entry_says() {
        let cases = [
            (0, [false, false]),
            (1 << 63, [true, true]),
            (1 << 62, [false, true]),
            (5 << 61, [true, false]),
            (3 << 61, [false; 2]),
            (1 << 62 | 1 << 58, [false; 2]),
        ];
        for (entry, expected) in cases {
            assert_eq!([Page(entry).is_present(), Page(entry).is_held()], expected, "{entry:#x}");
        }
    }

    #[test]
    fn our_own_pages() {
        let pagemap = Pagemap::open(std::process::id()).unwrap();
        let touched = vec![1_u8; 1 << 20];
        let start = touched.as_ptr() as u64;
        let pages: Vec<Page> = pagemap.pages(start, start + (1 << 20)).collect();
        assert!(pages.len() >= 256 && pages.iter().all(|page| page.is_held()), "{}", pages.len());
        assert_eq!(pagemap.pages(u64::MAX - 8191, u64::MAX).count(), 0);
    }
}

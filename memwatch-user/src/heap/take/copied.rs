//! The copy of a heap's pages: found by address in one step, and handed out as words.
//!
//! Pages lie one after another in one buffer. So a word of the copy has a position of 32 bits, from which its address
//! follows, and back.

use memmap2::{Advice, MmapMut};

use super::super::memory::Memory;
use crate::v8::page;

/// V8 maps every page at a multiple of this many bytes, so that no two pages share one.
const UNIT_BITS: u32 = page::ALIGNMENT.trailing_zeros();
/// Pages begin at multiples of so many words of the buffer: 16 KiB. A multiple of V8's own unit would waste up to half of
/// the buffer on pages of one large object each.
const GRANULE_BITS: u32 = 11;
const GRANULE: usize = 1 << GRANULE_BITS;

/// A word of the copy, by its number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u32);

/// A page of a heap, as its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where it begins.
    pub address: u64,
    /// Where its objects begin.
    pub start: u64,
    /// Where they end.
    pub end: u64,
    /// V8's flags.
    pub flags: u64,
    /// Its heap: the same for all pages of one isolate, 0 where isolates share it.
    pub heap: u64,
}

impl Page {
    /// Bytes of its objects, used or not.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Words from its begin to the end of its objects.
    fn words(&self) -> Option<usize> {
        let is_sound = self.address.is_multiple_of(8) && self.address <= self.start && self.start <= self.end;
        usize::try_from(self.end.checked_sub(self.address)? / 8).ok().filter(|_| is_sound)
    }
}

/// The words of pages. What was not copied of them is zero, which is no reference and no object.
#[derive(Debug)]
pub struct Copied {
    buffer: MmapMut,
    pages: Vec<Page>,
    /// Where each page is in the buffer.
    bases: Vec<u32>,
    /// The page that each granule of the buffer belongs to.
    granules: Vec<u32>,
    index: Index,
}

impl Copied {
    /// Room for `pages`, in memory already; nothing is copied yet. `None` if they do not fit in memory or are no pages.
    #[must_use]
    pub fn new(pages: Vec<Page>) -> Option<Self> {
        let (mut bases, mut granules, mut index) = (Vec::new(), Vec::new(), Index::default());
        for (number, page) in (0_u32..).zip(&pages) {
            let base = u32::try_from(granules.len() * GRANULE).ok()?;
            let words = page.words()?;
            bases.push(base);
            granules.resize(granules.len() + words.div_ceil(GRANULE), number);
            index.insert(page.address, page.end, base);
        }
        u32::try_from(granules.len() * GRANULE).ok()?;
        let mut buffer = MmapMut::map_anon((granules.len() * GRANULE * 8).max(1)).ok()?;
        // Advice only: kernels without huge pages read the same.
        buffer.advise(Advice::HugePage).ok();
        prefault(&mut buffer);
        Some(Self { buffer, pages, bases, granules, index })
    }

    /// The pages, by number.
    #[must_use]
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// All words.
    #[must_use]
    pub fn all(&self) -> &[u64] {
        bytemuck::cast_slice(&self.buffer)
    }

    /// The position of what is at `address`, which is a multiple of 8 in a page.
    #[must_use]
    #[inline]
    pub fn position(&self, address: u64) -> Option<Position> {
        if !address.is_multiple_of(8) {
            return None;
        }
        let base = self.index.get(address >> UNIT_BITS)?;
        let inside = (address & (page::ALIGNMENT - 1)) / 8;
        Some(Position(base + u32::try_from(inside).ok()?))
    }

    /// The address of what is at `position`.
    #[must_use]
    pub fn address(&self, position: Position) -> u64 {
        let page = self.page_of(position);
        let base = self.bases.get(page).copied().unwrap_or_default();
        let address = self.pages.get(page).map_or(0, |page| page.address);
        address + u64::from(position.0.saturating_sub(base)) * 8
    }

    /// The number of the page that `position` is in.
    #[must_use]
    pub fn page_of(&self, position: Position) -> usize {
        self.granules.get((position.0 >> GRANULE_BITS) as usize).map_or(usize::MAX, |page| *page as usize)
    }

    /// The words from `position` to the end of its page: an object there ends within.
    #[must_use]
    pub fn from(&self, position: Position) -> &[u64] {
        let page = self.page_of(position);
        let end = self
            .pages
            .get(page)
            .zip(self.bases.get(page))
            .map_or(0, |(page, base)| *base as usize + page.words().unwrap_or_default());
        self.all().get(position.0 as usize..end).unwrap_or_default()
    }

    /// The word at `position`; 0 outside.
    #[must_use]
    #[inline]
    pub fn at(&self, position: Position) -> u64 {
        self.all().get(position.0 as usize).copied().unwrap_or_default()
    }
}

impl Memory for Copied {
    fn read(&self, address: u64, to: &mut [u8]) -> bool {
        let (aligned, skipped) = (address & !7, (address & 7) as usize);
        let Some(position) = self.position(aligned) else { return false };
        let bytes: &[u8] = bytemuck::cast_slice(self.from(position));
        let Some(bytes) = bytes.get(skipped..skipped.saturating_add(to.len())) else { return false };
        to.copy_from_slice(bytes);
        true
    }

    fn word(&self, address: u64) -> Option<u64> {
        self.position(address).map(|position| self.at(position))
    }
}

/// Has the kernel give all of it: a fault while copying costs more than the copy (0.35 against 3 GB/s, measured).
fn prefault(buffer: &mut MmapMut) {
    if buffer.advise(Advice::PopulateWrite).is_err() {
        // Before Linux 5.14.
        buffer.iter_mut().step_by(4096).for_each(|byte| *byte = 0);
    }
}

/// Positions by unit of the address: open addressing, at most a quarter full, as V8 scatters pages over all of the address
/// space and every reference of the heap is looked up.
#[derive(Debug, Default)]
struct Index {
    /// The unit plus one, above the position of its begin; 0 where there is none.
    entries: Vec<u64>,
    used: usize,
}

/// Addresses of a process have 47 bits (56 on some machines): a unit has 38 at most, of which 32 are kept apart from the
/// position. Higher ones are no addresses of pages.
const MAX_UNIT: u64 = u32::MAX as u64 - 1;

impl Index {
    /// Notes a page from `start` to `end` whose begin is at `base`.
    fn insert(&mut self, start: u64, end: u64, base: u32) {
        for (unit, distance) in (start >> UNIT_BITS..end.div_ceil(page::ALIGNMENT)).zip(0_u32..) {
            if unit > MAX_UNIT {
                return;
            }
            let position = base.wrapping_add(distance << (UNIT_BITS - 3));
            self.put(unit, position);
        }
    }

    fn put(&mut self, unit: u64, position: u32) {
        if self.used * 4 >= self.entries.len() {
            self.grow();
        }
        let slot = self.slot(unit);
        if let Some(entry) = self.entries.get_mut(slot) {
            self.used += usize::from(*entry == 0);
            *entry = (unit + 1) << 32 | u64::from(position);
        }
    }

    fn grow(&mut self) {
        let larger = vec![0; (self.entries.len() * 2).max(64)];
        let old = std::mem::replace(&mut self.entries, larger);
        self.used = 0;
        for entry in old.into_iter().filter(|entry| *entry != 0) {
            self.put((entry >> 32) - 1, (entry & u64::from(u32::MAX)) as u32);
        }
    }

    /// Where the unit is, or would be.
    #[inline]
    fn slot(&self, unit: u64) -> usize {
        let mask = self.entries.len() - 1;
        // The golden ratio: neighbours end up far from each other.
        let mut slot = (unit.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        while self.entries[slot] != 0 && self.entries[slot] >> 32 != unit + 1 {
            slot = (slot + 1) & mask;
        }
        slot
    }

    #[inline]
    fn get(&self, unit: u64) -> Option<u32> {
        if self.entries.is_empty() || unit > MAX_UNIT {
            return None;
        }
        let entry = self.entries[self.slot(unit)];
        (entry != 0).then_some((entry & u64::from(u32::MAX)) as u32)
    }
}

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
/// Bytes that the kernel gives at once: a huge page.
const PART: usize = 2 << 20;

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
    /// Its heap: the same for all pages of one isolate, 0 where isolates share it.
    pub heap: u64,
    /// Whether it holds instructions.
    pub is_code: bool,
    /// Whether it is of the young generation.
    pub is_young: bool,
    /// Whether the last collection of the young generation evacuated it: all in it is dead.
    pub is_from_space: bool,
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
    /// Room for `pages` and for `more` bytes of pages that come later, in memory already; nothing is copied yet. `None` if
    /// there is no such room.
    #[must_use]
    pub fn new(pages: &[Page], more: u64) -> Option<Self> {
        let granules = pages.iter().map(granules).try_fold(0_usize, |sum, of| sum.checked_add(of?))?;
        let more = usize::try_from(more).ok()? / (GRANULE * 8);
        let words = granules.checked_add(more)?.checked_mul(GRANULE)?;
        u32::try_from(words).ok()?;
        let mut buffer = MmapMut::map_anon((words * 8).max(1)).ok()?;
        // Advice only: without huge pages the same is read.
        let _no_huge_pages = buffer.advise(Advice::HugePage);
        prefault(&mut buffer);
        let (pages_of, bases, granules_of, index) = Default::default();
        let mut copied = Self { buffer, pages: pages_of, bases, granules: granules_of, index };
        pages.iter().all(|page| copied.add(*page)).then_some(copied)
    }

    /// Makes room for another page; `false` if there is none.
    pub fn add(&mut self, page: Page) -> bool {
        let base = self.granules.len() * GRANULE;
        let Some((base, granules)) = u32::try_from(base).ok().zip(granules(&page)) else { return false };
        let Ok(number) = u32::try_from(self.pages.len()) else { return false };
        let end = self.granules.len() + granules;
        if end * GRANULE * 8 > self.buffer.len() {
            return false;
        }
        self.granules.resize(end, number);
        self.index.insert(page.address, page.end, base);
        self.bases.push(base);
        self.pages.push(page);
        true
    }

    /// The bytes of each page that `wanted` says, by number, with its address: room to copy it to.
    pub fn room(&mut self, wanted: impl Fn(usize, &Page) -> bool) -> Vec<(u64, &mut [u8])> {
        let (mut rest, mut at) = (&mut self.buffer[..], 0);
        let mut rooms = Vec::with_capacity(self.pages.len());
        for (number, (page, base)) in self.pages.iter().zip(&self.bases).enumerate() {
            let base = *base as usize * 8;
            let (_, from_base) = std::mem::take(&mut rest).split_at_mut(base - at);
            let (room, after) = from_base.split_at_mut(page.words().unwrap_or_default() * 8);
            at = base + room.len();
            rest = after;
            if wanted(number, page) {
                rooms.push((page.address, room));
            }
        }
        rooms
    }

    /// Whether nothing was copied.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.all().iter().all(|word| *word == 0)
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

/// Granules of the buffer that a page takes.
fn granules(page: &Page) -> Option<usize> {
    Some(page.words()?.div_ceil(GRANULE))
}

/// Has the kernel give all of it: a fault while copying costs more than the copy (0.35 against 3 GB/s, measured). In parts, as our
/// address space is locked meanwhile, and no other thread of ours gets memory: with 340 MB at once, 1 196 and 4 128 of 24 576 new
/// stacks were lost in two runs of three; in parts, none in three.
fn prefault(buffer: &mut MmapMut) {
    for start in (0..buffer.len()).step_by(PART) {
        let bytes = PART.min(buffer.len() - start);
        if buffer.advise_range(Advice::PopulateWrite, start, bytes).is_err() {
            // Before Linux 5.14.
            buffer[start..start + bytes].iter_mut().step_by(4096).for_each(|byte| *byte = 0);
        }
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
            self.put((entry >> 32) - 1, lower(entry));
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
        (entry != 0).then_some(lower(entry))
    }
}

/// The lower half.
const fn lower(entry: u64) -> u32 {
    let [a, b, c, d, ..] = entry.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

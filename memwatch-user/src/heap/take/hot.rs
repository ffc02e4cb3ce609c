//! Which old pages hold references to young objects: what a program is at (timers that run out, requests that are open) hangs
//! on these, and changes while a copy is made.

use super::copied::{Copied, Page};
use crate::v8::page;

/// Bits of the filter: 8 KiB of them stay in the nearest cache, as every word of the heap is looked up.
const FILTER_BITS: u32 = 16;

/// By number of the page, whether it is one.
pub(super) fn pages(copied: &Copied) -> Vec<bool> {
    let young = Young::of(copied.pages());
    let is_hot = |page: &Page| {
        let words = copied.position(page.start).map(|start| copied.from(start)).unwrap_or_default();
        !page.is_young && words.iter().any(|word| young.may_have(*word) && is_young(copied, *word))
    };
    copied.pages().iter().map(is_hot).collect()
}

fn is_young(copied: &Copied, word: u64) -> bool {
    let target = copied.position(word & !3).map(|position| copied.page_of(position));
    target.and_then(|number| copied.pages().get(number)).is_some_and(|page| page.is_young)
}

/// A filter of references to young pages: it never says no of one.
struct Young(Vec<u64>);

impl Young {
    fn of(pages: &[Page]) -> Self {
        let mut filter = Self(vec![0; 1 << (FILTER_BITS - 6)]);
        for page in pages.iter().filter(|page| page.is_young) {
            for unit in
                (page.address..page.end).step_by(usize::try_from(page::ALIGNMENT).unwrap_or(usize::MAX))
            {
                let (word, bit) = Self::place(unit);
                filter.0[word] |= bit;
            }
        }
        filter
    }

    #[inline]
    fn may_have(&self, word: u64) -> bool {
        let (at, bit) = Self::place(word);
        word & 1 == 1 && self.0[at] & bit != 0
    }

    /// Word and bit of an address.
    #[inline]
    fn place(address: u64) -> (usize, u64) {
        let hash = (address / page::ALIGNMENT).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_BITS);
        ((hash >> 6) as usize, 1 << (hash & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 0x14_7c70_0000;

    fn page(number: u64, is_young: bool) -> Page {
        let address = PAGE + number * page::ALIGNMENT;
        let (start, end) = (address + 16, address + (64 << 10));
        Page { address, start, end, heap: 8, is_code: false, is_young, is_from_space: false }
    }

    #[test]
    fn an_old_page_that_refers_to_a_young_one_is_hot() {
        let pages = [page(0, false), page(1, false), page(2, true), page(3, true)];
        let mut copied = Copied::new(&pages, 0).unwrap();
        for (address, room) in copied.room(|_, _| true) {
            let target = if address == pages[1].address { pages[2].start } else { pages[0].start };
            room[800..808].copy_from_slice(&(target | 1).to_le_bytes());
        }
        assert_eq!(super::pages(&copied), [false, true, false, false]);
    }
}

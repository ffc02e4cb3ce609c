//! What a process has mapped itself and not given back: intervals of addresses, each with the site that asked. Pure.
//!
//! The kernel may give an address that one thread is giving back to another thread, whose call returns first. So what is
//! taken away is only what was there when that call was entered. Of what was mapped before we looked nothing is known: giving it
//! back is nothing, making it larger is.

use std::ops::Range;

use memwatch_common::mapping::{MappingChange, mapping_kind};
use rangemap::RangeMap;

use crate::model::Mono;

/// Intervals that are kept: as many mappings as a process may have (`vm.max_map_count`, linux/mm.h). Further ones are counted.
const MOST: usize = 65_530;

/// An interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Number of the site.
    pub(super) site: usize,
    /// When its memory was taken from the kernel.
    pub(super) taken: Mono,
    /// When it came to lie where it does.
    placed: Mono,
}

/// All intervals of a process.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pieces: RangeMap<u64, Piece>,
    page: u64,
    /// Mappings that did not fit.
    pub(super) left_out: u64,
}

impl Ledger {
    /// Nothing yet; `page` is the size of a page.
    pub(super) fn new(page: u64) -> Self {
        Self { page, ..Self::default() }
    }

    /// Takes in a change. What it gave the process belongs to `site`, or to none that is followed.
    pub(super) fn apply(&mut self, change: &MappingChange, site: Option<usize>) {
        let now = Mono(change.returned_ns);
        let entered = Mono(change.entered_ns);
        let place = self.pages(change.address, change.length);
        let old = self.pages(change.old_address, change.old_length);
        match change.kind {
            mapping_kind::TAKEN => self.put(place, site.map(|site| Piece { site, taken: now, placed: now })),
            mapping_kind::COVERED => self.put(place, None),
            mapping_kind::GIVEN_BACK => self.take(&place, entered),
            mapping_kind::REMAPPED => self.remap(&old, &place, site, [entered, now], true),
            mapping_kind::LEFT_BEHIND => self.remap(&old, &place, site, [entered, now], false),
            _ => {}
        }
    }

    /// The kernel rounds lengths up.
    fn pages(&self, address: u64, length: u64) -> Range<u64> {
        address..address.saturating_add(length.checked_next_multiple_of(self.page).unwrap_or(length))
    }

    /// Pages that were there keep their site and their age, wherever they are now; those that were added are of whoever
    /// asked for them.
    fn remap(
        &mut self,
        old: &Range<u64>,
        new: &Range<u64>,
        site: Option<usize>,
        [entered, now]: [Mono; 2],
        is_gone: bool,
    ) {
        let kept = old.start..old.end.min(old.start.saturating_add(new.end - new.start));
        let moved = self.within(&kept, entered);
        if is_gone {
            self.take(old, entered);
        }
        self.put(new.clone(), None);
        for (Range { start, end }, piece) in moved {
            let at = |address: u64| new.start + (address - old.start);
            self.put(at(start)..at(end), Some(Piece { placed: now, ..piece }));
        }
        // Whatever it was that grows: pages of files are not counted.
        let grown = new.start + (old.end - old.start);
        self.put(grown..new.end.max(grown), site.map(|site| Piece { site, taken: now, placed: now }));
    }

    /// Replaces whatever is there.
    fn put(&mut self, range: Range<u64>, piece: Option<Piece>) {
        if range.is_empty() {
            return;
        }
        match piece {
            Some(piece) if self.pieces.len() < MOST => self.pieces.insert(range, piece),
            _ => {
                self.left_out += u64::from(piece.is_some());
                self.pieces.remove(range);
            }
        }
    }

    /// Takes away what was there by then.
    fn take(&mut self, range: &Range<u64>, by: Mono) {
        for (range, _) in self.within(range, by) {
            self.pieces.remove(range);
        }
    }

    /// What of `range` was there by then.
    fn within(&self, range: &Range<u64>, by: Mono) -> Vec<(Range<u64>, Piece)> {
        if range.is_empty() {
            return Vec::new();
        }
        let cut = |at: &Range<u64>| at.start.max(range.start)..at.end.min(range.end);
        let there = self.pieces.overlapping(range).filter(|(_, piece)| piece.placed <= by);
        there.map(|(at, piece)| (cut(at), *piece)).collect()
    }

    /// Keeps only what lies in one of `mapped`, which are in the order of their addresses: after changes were not seen.
    pub(super) fn keep(&mut self, mapped: &[Range<u64>]) {
        let mut from = 0;
        for range in mapped {
            if from < range.start {
                self.pieces.remove(from..range.start);
            }
            from = range.end.max(from);
        }
        if from < u64::MAX {
            self.pieces.remove(from..u64::MAX);
        }
    }

    /// All intervals, in the order of their addresses.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (&Range<u64>, &Piece)> {
        self.pieces.iter()
    }
}

#[cfg(test)]
mod tests;

//! The pages of V8's heaps in a process, found by their headers.

use std::collections::BTreeSet;

use super::{
    copied::Page,
    copying::Clock,
    mappings::{self, Mapping},
    remote::{self, Piece},
};
use crate::v8::page::{self, WORDS, Words};

/// Places that are looked at, at most: those of 1 TiB. A process cannot make us look longer than some seconds.
const MAX_PLACES: usize = 1 << 22;
/// Headers that are read and understood at a time.
const BATCH: usize = 4096;
/// Bytes of a page that cannot be read: guards, and objects of 64 KiB without access in Node 26 (`Hole`).
const MAX_HOLES: u64 = 1 << 20;
/// Bytes of a header.
const HEADER: usize = WORDS * 8;

/// The pages in `mappings` of the process `pid`, in the order of addresses, except at addresses in `known`.
/// Those that are found before `clock` runs out.
pub(super) fn find(pid: u32, mappings: &[Mapping], known: &BTreeSet<u64>, clock: &Clock) -> Vec<Page> {
    let places: Vec<u64> = places(mappings).filter(|place| !known.contains(place)).take(MAX_PLACES).collect();
    let mut found = Vec::new();
    for places in places.chunks(BATCH) {
        found.extend(at(pid, mappings, places, clock));
    }
    without_overlaps(found)
}

/// Where a page can begin.
fn places(mappings: &[Mapping]) -> impl Iterator<Item = u64> {
    mappings.iter().filter(|mapping| mapping.readable).flat_map(|mapping| {
        let first = mapping.range.start.next_multiple_of(page::ALIGNMENT);
        (first..mapping.range.end).step_by(usize::try_from(page::ALIGNMENT).unwrap_or(usize::MAX))
    })
}

/// The pages that begin at `places`.
fn at(pid: u32, mappings: &[Mapping], places: &[u64], clock: &Clock) -> Vec<Page> {
    let headers = words(pid, places, clock);
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for (&place, header) in places.iter().zip(headers) {
        let Some(header) = header else { continue };
        match page::in_header(place, &header) {
            Some(by_header) => found.extend(page_of(mappings, place, by_header)),
            None if page::metadata(&header).is_multiple_of(8)
                && page::metadata(&header) > page::ALIGNMENT =>
            {
                others.push((place, header));
            }
            None => {}
        }
    }
    let addresses: Vec<u64> = others.iter().map(|(_, header)| page::metadata(header)).collect();
    for ((place, header), metadata) in others.into_iter().zip(words(pid, &addresses, clock)) {
        let Some(metadata) = metadata else { continue };
        let by_metadata = page::in_metadata(place, &header, &metadata);
        found.extend(by_metadata.and_then(|page| page_of(mappings, place, page)));
    }
    found
}

/// The page with a header; `None` if most of what it claims cannot be read.
fn page_of(mappings: &[Mapping], address: u64, header: page::Header) -> Option<Page> {
    let parts = mappings::readable(mappings, header.start..header.end);
    let bytes: u64 = parts.iter().map(|part| part.end - part.start).sum();
    (bytes + MAX_HOLES >= header.end - header.start).then_some(())?;
    Some(Page {
        address,
        start: header.start,
        end: header.end,
        heap: header.heap,
        is_code: mappings::at(mappings, header.start).is_some_and(|mapping| mapping.executable),
        is_from_space: header.is_from_space(),
        is_young: header.is_young(),
    })
}

/// Words at each of `addresses`.
fn words(pid: u32, addresses: &[u64], clock: &Clock) -> Vec<Option<Words>> {
    let mut bytes = vec![0; addresses.len() * HEADER];
    let to = bytes.chunks_exact_mut(HEADER);
    let mut pieces: Vec<_> = addresses.iter().zip(to).map(|(&address, to)| Piece::new(address, to)).collect();
    remote::read(pid, &mut pieces, usize::MAX, || clock.is_over());
    pieces.iter().map(|piece| piece.is_read.then(|| to_words(piece.to))).collect()
}

fn to_words(bytes: &[u8]) -> Words {
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// A large page is longer than the distance at which pages are looked for, and holds what it likes.
fn without_overlaps(mut pages: Vec<Page>) -> Vec<Page> {
    pages.sort_unstable_by_key(|page| page.address);
    let mut end = 0;
    pages.retain(|page| {
        let is_free = page.address >= end;
        if is_free {
            end = page.end;
        }
        is_free
    });
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 0x14_7c70_0000;

    fn mapping(range: std::ops::Range<u64>, readable: bool) -> Mapping {
        Mapping { range, readable, executable: false, is_break: false }
    }

    #[test]
    fn a_page_is_not_larger_than_what_can_be_read() {
        let mappings = [
            mapping(PAGE..PAGE + (4 << 20), true),
            mapping(PAGE + (4 << 20)..PAGE + (4 << 20) + 0x1_0000, false),
            mapping(PAGE + (4 << 20) + 0x1_0000..PAGE + (8 << 20), true),
        ];
        let claimed = |size: u64| {
            let header = page::Header { size, start: PAGE + 16, end: PAGE + size, heap: 8, flags: 0 };
            page_of(&mappings, PAGE, header).map(|page| page.bytes())
        };
        assert_eq!(claimed(8 << 20), Some((8 << 20) - 16), "a hole in it is left out");
        assert_eq!(claimed(10 << 30), None);
    }

    #[test]
    fn pages_do_not_overlap() {
        let page = |address, end| Page {
            address,
            start: address + 16,
            end,
            heap: 8,
            is_code: false,
            is_young: false,
            is_from_space: false,
        };
        let unit = page::ALIGNMENT;
        let large = page(PAGE, PAGE + 3 * unit);
        let inside = page(PAGE + unit, PAGE + 2 * unit);
        let next = page(PAGE + 3 * unit, PAGE + 4 * unit);
        assert_eq!(without_overlaps(vec![next, inside, large]), [large, next]);
    }
}

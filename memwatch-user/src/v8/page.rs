//! The header of a page of V8's heap (in V8's sources: a memory chunk), by which a mapping is known to be V8's.
//!
//! One description serves all versions, as what is looked for are values that only such a header can hold: the bounds of
//! an area for objects within that very page. To V8 12 the header says `size, …, area_start, area_end, …` itself, with two
//! words before it in V8 12; from V8 13 its second word points to metadata that say `…, size, area_end, heap, area_start,
//! …`. Seen so in 7.8, 8.4, 9.4, 10.2, 11.3, 12.4, 13.6, 14.1 and 14.6 on x86-64, in pages of workers, large objects, code
//! and read-only objects too.

/// Every page begins at a multiple of this, and is of this size unless it holds one large object (`kPageSizeBits`).
pub(crate) const ALIGNMENT: u64 = 1 << 18;

/// Words of a header, and of its metadata, that are looked at. The bounds are among the first seven in a header, and among
/// the first ten in metadata.
pub(crate) const WORDS: usize = 16;

/// Those words.
pub(crate) type Words = [u64; WORDS];

/// From the page's begin to its first object: 16 bytes from V8 13, 4.4 KiB with a bitmap for marking before it, and up to
/// 12 KiB where the header and a guard have pages of their own before code.
const MAX_HEADER: u64 = 32 << 10;

/// From the last object to the page's end: what rounding leaves over, and a guard after code.
const MAX_TAIL: u64 = 8 << 10;

/// No page is larger: V8's largest heap has 16 GiB, and a large object is a part of it.
const MAX_SIZE: u64 = 16 << 30;

const SMALLEST: u64 = 4096;

/// What a header and its metadata say of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the page.
    pub(crate) size: u64,
    /// Where its objects begin.
    pub(crate) start: u64,
    /// Where they end.
    pub(crate) end: u64,
    /// The heap it belongs to; 0 of read-only pages that isolates share (Node 26).
    pub(crate) heap: u64,
    /// V8's flags.
    pub(crate) flags: u64,
}

impl Header {
    /// Whether the page was given up by the young generation's last collection: what it holds is dead.
    pub(crate) const fn is_from_space(&self) -> bool {
        self.flags & FROM_SPACE != 0
    }

    /// Whether the page is of the young generation.
    pub(crate) const fn is_young(&self) -> bool {
        self.flags & (FROM_SPACE | TO_SPACE) != 0
    }
}

/// Flags of pages of the young generation: evacuated, and in use (`MemoryChunk::FROM_PAGE` and `TO_PAGE`, 9.4 to 14.6,
/// measured).
const FROM_SPACE: u64 = 1 << 3;
const TO_SPACE: u64 = 1 << 4;

/// Size in bytes of the page that begins at `address`, if one does. `read` gives the words at an address, or nothing
/// where they cannot be had.
pub(crate) fn size(address: u64, read: impl Fn(u64) -> Option<Words>) -> Option<u64> {
    let header = read(address)?;
    in_header(address, &header)
        .or_else(|| in_metadata(address, &header, &read(metadata(&header))?))
        .map(|found| found.size)
}

/// Where the header's metadata are, if it has any.
pub(crate) const fn metadata(header: &Words) -> u64 {
    header[1]
}

/// What the header at `page` itself says.
pub(crate) fn in_header(page: u64, header: &Words) -> Option<Header> {
    let area = |size: u64, flags: u64| {
        let at = header[2..].windows(2).position(|area| is_area(page, size, area[0], area[1]))? + 2;
        Some(Header { size, start: header[at], end: header[at + 1], heap: header[at - 1], flags })
    };
    area(header[0], header[1]).or_else(|| area(header[2], header[0]))
}

/// What the metadata of the header at `page` say.
pub(crate) fn in_metadata(page: u64, header: &Words, metadata: &Words) -> Option<Header> {
    let found = metadata.windows(4).find(|words| is_area(page, words[0], words[3], words[1]))?;
    Some(Header { size: found[0], start: found[3], end: found[1], heap: found[2], flags: header[0] })
}

/// Whether objects from `start` to `end` are what a page of that size holds.
fn is_area(page: u64, size: u64, start: u64, end: u64) -> bool {
    let Some(page_end) = page.checked_add(size) else { return false };
    (SMALLEST..=MAX_SIZE).contains(&size)
        && size.is_multiple_of(SMALLEST)
        && start > page
        && start - page <= MAX_HEADER
        && (start..=page_end).contains(&end)
        && page_end - end < MAX_TAIL
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 0x14_7c70_0000;
    const METADATA: u64 = 0x7fd5_b006_8208;
    const HEAP: u64 = 0x7fa8_d000_a088;

    fn words(of: &[u64]) -> Words {
        let mut words = [0; WORDS];
        words[..of.len()].copy_from_slice(of);
        words
    }

    /// The size by a header and metadata.
    fn found(header: &[u64], metadata: Option<&[u64]>) -> Option<u64> {
        size(PAGE, |at| match at {
            PAGE => Some(words(header)),
            METADATA => metadata.map(words),
            _ => None,
        })
    }

    #[test]
    fn headers_as_seen() {
        let v8_7 = [0x4_0000, 0x8_0012, 0x7fa8_d024_2860, HEAP, PAGE + 1, PAGE + 0x118, PAGE + 0x4_0000];
        let v8_9 = [0x2_b000, 0x12, HEAP, PAGE + 0x1118, PAGE + 0x2_b000, 0x2_9bc0, 0, 0x2_acd8];
        let v8_12 = [0x84, PAGE, 0x46_e000, HEAP, PAGE + 0x1140, PAGE + 0x46_d2b8, 0x46_c178, 0, 0x1140];
        assert_eq!(found(&v8_12, None), Some(0x46_e000));
        assert_eq!(found(&v8_7, None), Some(0x4_0000));
        assert_eq!(found(&v8_9, None), Some(0x2_b000));
    }

    #[test]
    fn metadata_as_seen() {
        let usual =
            [0x6b8_ed90, PAGE, 0x4_0000, 0x3_fff0, 0, 0x4_0000, 0x4_0000, PAGE + 0x4_0000, HEAP, PAGE + 0x10];
        let large = [0, 0, 0, 0x46_c178, 0, 0x10, 0x46_d000, PAGE + 0x46_c188, HEAP, PAGE + 0x10];
        let read_only = [0, 0, 0, 0x1_de60, 0, 0x1_de70, 0x1_e000, PAGE + 0x1_e000, 0, PAGE + 0x10];
        for (metadata, size) in [(usual, 0x4_0000), (large, 0x46_d000), (read_only, 0x1_e000)] {
            assert_eq!(found(&[0x104, METADATA], Some(&metadata)), Some(size));
        }
    }

    #[test]
    fn anything_else_is_no_header() {
        let end = PAGE + 0x4_0000;
        let cases: [&[u64]; 8] = [
            &[],
            &[0x4_0000, 0, HEAP, end, PAGE + 0x118],
            &[0x4_0000, 0, HEAP, PAGE + 0x10_0000, end],
            &[0x4_0000, 0, HEAP, PAGE + 0x118, PAGE + 0x2_0000],
            &[0x4_0001, 0, HEAP, PAGE + 0x118, end + 1],
            &[0, 0, 0, PAGE + 1, PAGE],
            &[u64::MAX, u64::MAX, u64::MAX, u64::MAX],
            &[!0xfff, METADATA, HEAP, PAGE + 0x118, PAGE - 0x1000],
        ];
        for header in cases {
            assert_eq!(found(header, None), None, "{header:x?}");
            assert_eq!(found(&[0x104, METADATA], Some(header)), None, "{header:x?}");
        }
        assert_eq!(size(u64::MAX - 0xffff, |_| Some(words(&[0x4_0000, 8, 1, u64::MAX - 5, 3]))), None);
    }
}

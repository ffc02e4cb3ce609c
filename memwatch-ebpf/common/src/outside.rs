//! What an isolate holds outside of its heap, by its own books, and the way from a heap to these books.
//!
//! Kept here and free of eBPF: the kernel side takes this way at the end of each collection, the collector between
//! collections, through `/proc/PID/mem`. Nothing of it is probed: an array buffer that is allocated or freed costs nothing.

use crate::target::NO_OFFSET;

/// Which entry of an allocator's table of virtual functions is `Free`, in bytes: after two destructors, `Allocate` and
/// `AllocateUninitialized` (`v8::ArrayBuffer::Allocator` of `v8-array-buffer.h`, V8 7.8 to 14.6).
const FREE_ENTRY: u64 = 4 * 8;

/// A pointer at or above this is none of a program's, and no number of bytes either: x86-64 and arm64 leave it 47 bits.
const ADDRESS_END: u64 = 1 << 47;

/// Bytes that an isolate holds outside of its heap; [`OutsideBytes::UNKNOWN`] where they could not be told.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutsideBytes {
    /// `process.memoryUsage().arrayBuffers`: what Node's allocator of array buffers handed out and did not get back.
    pub array_buffers: u64,
    /// `process.memoryUsage().external`: what V8 counts of the memory behind array buffers and external strings.
    pub external: u64,
}
const _: () = assert!(size_of::<OutsideBytes>() == 16);

impl OutsideBytes {
    /// Neither is known.
    pub const UNKNOWN: Self = Self { array_buffers: u64::MAX, external: u64::MAX };
}

impl Default for OutsideBytes {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

/// The way from a heap to the books of its isolate: offsets, decoded from the code of the same binary.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutsideLayout {
    /// Offset of the heap in its isolate; [`NO_OFFSET`] if the books cannot be found in this binary.
    pub heap: u32,
    /// Offset in the isolate of the pointer to its allocator of array buffers.
    pub allocator: u32,
    /// Offset in the allocator of the bytes that it handed out.
    pub array_buffers: u32,
    /// Offset in the isolate of the external bytes, or of one part of them.
    pub external: u32,
    /// Offset in the isolate of the pointer to the object that counts the other part (Node 26); [`NO_OFFSET`] if there is
    /// none.
    pub counter: u32,
    /// Offset of the other part in that object.
    pub counter_bytes: u32,
    /// What tells Node's allocators: how far the function `Free` of each is above the table of virtual functions that it
    /// is in. The same wherever the binary is loaded. 0 where there is no such class.
    pub classes: [u64; 2],
}
const _: () = assert!(size_of::<OutsideLayout>() == 40);

impl OutsideLayout {
    /// The layout of a binary in which the books cannot be found.
    pub const UNKNOWN: Self = Self {
        heap: NO_OFFSET,
        allocator: NO_OFFSET,
        array_buffers: NO_OFFSET,
        external: NO_OFFSET,
        counter: NO_OFFSET,
        counter_bytes: NO_OFFSET,
        classes: [0; 2],
    };

    /// Whether there is a way.
    #[inline(always)]
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.heap != NO_OFFSET
    }

    /// Goes from `heap` to the books, word by word with `word`, and writes what they say to `bytes`. `false` if a word
    /// could not be read.
    ///
    /// Nothing is written unless the isolate's allocator is one of Node's: if it is not, the offsets are not those of this
    /// program, or the heap is gone and its memory used for something else. A number that cannot be one of bytes is not
    /// written either.
    ///
    /// Returns no `Option`: the verifier of 5.10 refuses what the compiler makes of it (see the kernel side's `limit`).
    #[inline(always)]
    pub fn read(&self, heap: u64, word: impl Fn(u64) -> Option<u64>, bytes: &mut OutsideBytes) -> bool {
        let isolate = heap.wrapping_sub(u64::from(self.heap));
        let field = |object: u64, offset: u32| word(object.wrapping_add(u64::from(offset)));
        let Some(allocator) = field(isolate, self.allocator) else { return false };
        let Some(table) = word(allocator) else { return false };
        let Some(free) = word(table.wrapping_add(FREE_ENTRY)) else { return false };
        if !self.is_class(free.wrapping_sub(table)) {
            return true;
        }
        let Some(array_buffers) = field(allocator, self.array_buffers) else { return false };
        let Some(mut external) = field(isolate, self.external) else { return false };
        if self.counter != NO_OFFSET {
            let Some(counter) = field(isolate, self.counter) else { return false };
            let Some(other_part) = field(counter, self.counter_bytes) else { return false };
            external = external.wrapping_add(other_part);
        }
        if array_buffers < ADDRESS_END {
            bytes.array_buffers = array_buffers;
        }
        if external < ADDRESS_END {
            bytes.external = external;
        }
        true
    }

    #[inline(always)]
    fn is_class(&self, distance: u64) -> bool {
        distance != 0 && (distance == self.classes[0] || distance == self.classes[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAP: u64 = 0x1_0100;
    const LAYOUT: OutsideLayout = OutsideLayout {
        heap: 0x100,
        allocator: 0x180,
        array_buffers: 0x10,
        external: 0x108,
        counter: NO_OFFSET,
        counter_bytes: NO_OFFSET,
        classes: [0x4000, 0],
    };
    /// Node 26: a part is counted by another object.
    const IN_TWO_PARTS: OutsideLayout = OutsideLayout { counter: 0x110, counter_bytes: 0x60, ..LAYOUT };
    /// Addresses and words: isolate at 0x1_0000, allocator at 0x2_0000, its table at 0x3_0000, counter at 0x5_0000.
    const MEMORY: [(u64, u64); 7] = [
        (0x1_0180, 0x2_0000),
        (0x2_0000, 0x3_0000),
        (0x3_0020, 0x3_4000),
        (0x2_0010, 700),
        (0x1_0108, 1000),
        (0x1_0110, 0x5_0000),
        (0x5_0060, 50),
    ];

    fn read(layout: OutsideLayout, memory: &[(u64, u64)]) -> (bool, OutsideBytes) {
        let mut bytes = OutsideBytes::UNKNOWN;
        let word = |address| memory.iter().rev().find(|(at, _)| *at == address).map(|(_, word)| *word);
        (layout.read(HEAP, word, &mut bytes), bytes)
    }

    /// [`MEMORY`] with one word changed.
    fn with(address: u64, word: u64) -> [(u64, u64); 8] {
        let mut memory = [(address, word); 8];
        memory[..7].copy_from_slice(&MEMORY);
        memory
    }

    #[test]
    fn the_books_are_found_in_one_part_or_two() {
        let bytes = |external| (true, OutsideBytes { array_buffers: 700, external });
        assert_eq!(read(LAYOUT, &MEMORY), bytes(1000));
        assert_eq!(read(IN_TWO_PARTS, &MEMORY), bytes(1050));
        let debugging = OutsideLayout { classes: [0x7777, 0x4000], ..LAYOUT };
        assert_eq!(read(debugging, &MEMORY), bytes(1000));
    }

    #[test]
    fn every_word_that_is_missing_is_said() {
        for place in 0..MEMORY.len() {
            let mut memory = MEMORY;
            memory[place].0 = 0;
            assert_eq!(read(IN_TWO_PARTS, &memory), (false, OutsideBytes::UNKNOWN), "{place}");
        }
    }

    #[test]
    fn an_allocator_of_another_class_says_nothing() {
        let unknown = (true, OutsideBytes::UNKNOWN);
        assert_eq!(read(LAYOUT, &with(0x3_0020, 0x3_4008)), unknown);
        assert_eq!(read(OutsideLayout { classes: [0; 2], ..LAYOUT }, &with(0x3_0020, 0x3_0000)), unknown);
    }

    #[test]
    fn what_cannot_be_bytes_is_not_known() {
        let bytes = |array_buffers, external| (true, OutsideBytes { array_buffers, external });
        assert_eq!(read(LAYOUT, &with(0x2_0010, u64::MAX - 7)), bytes(u64::MAX, 1000));
        assert_eq!(read(LAYOUT, &with(0x1_0108, 1 << 47)), bytes(700, u64::MAX));
        assert_eq!(read(LAYOUT, &with(0x2_0010, 0)), bytes(0, 1000));
    }
}

//! Objects of V8 in the memory of a running process: untagged, typed, bounded.
//!
//! The process runs on meanwhile, and its collector moves objects: whoever reads more than one word verifies afterwards
//! that it was one object (see [`super::function`]).

use std::{fs::File, io, os::unix::fs::FileExt};

use thiserror::Error;

use crate::{
    target::file,
    v8::objects::{Item, Objects},
};

/// Memory that can be read by address.
pub trait Memory {
    /// Fills `to` from `address`.
    fn read(&self, address: u64, to: &mut [u8]) -> io::Result<()>;
}

/// The memory of a process, through `/proc/PID/mem`.
#[derive(Debug)]
pub struct ProcessMemory(File);

impl ProcessMemory {
    /// Opens the memory of `pid`. It stays that process's: once it is gone, nothing can be read.
    pub fn open(pid: u32) -> io::Result<Self> {
        file::memory(pid).map(Self)
    }
}

impl Memory for ProcessMemory {
    fn read(&self, address: u64, to: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(to, address)
    }
}

/// Why something could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The memory is not there.
    #[error("cannot read its memory: {0}")]
    Memory(#[from] io::Error),
    /// It is not what it should be: freed or moved meanwhile, or a layout that is not known.
    #[error("{0} is not what it should be")]
    Implausible(&'static str),
    /// It is larger than is read.
    #[error("{0} is too large")]
    TooLarge(&'static str),
}

/// A tagged pointer to an object of V8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Object(u64);

/// Low bits of tagged values: 0 for a small integer, 01 for a pointer, 11 for a weak one.
const POINTER: u64 = 0b01;
const WEAK: u64 = 0b10;

impl Object {
    /// The object that `word` points at, strongly or weakly; `None` if it is a small integer.
    #[must_use]
    pub(super) fn from_word(word: u64) -> Option<Self> {
        (word & POINTER != 0).then_some(Self(word & !WEAK))
    }

    /// Address of a field.
    #[must_use]
    pub(super) fn field(self, offset: u32) -> u64 {
        self.0.wrapping_sub(POINTER).wrapping_add(u64::from(offset))
    }
}

/// The value of a small integer.
#[must_use]
pub(super) fn small_integer(word: u64) -> Option<i32> {
    // The value is the upper half, on 64-bit builds without pointer compression.
    let value = (word.cast_signed() >> 32).try_into().ok();
    value.filter(|_| word.trailing_zeros() >= 32)
}

/// Where arrays of V8 have their length (a small integer), and their elements.
const LENGTH: u32 = 8;
const ELEMENTS: u32 = 16;

/// A heap of a process, seen from outside.
#[derive(Debug)]
pub(super) struct Heap<M> {
    memory: M,
    /// How its objects are laid out.
    pub(super) objects: Objects,
}

impl<M: Memory> Heap<M> {
    /// The heap in `memory` of a V8 with `objects`.
    pub(super) fn new(memory: M, objects: Objects) -> Self {
        Self { memory, objects }
    }

    /// Fills `to` from `address`.
    pub(super) fn bytes(&self, address: u64, to: &mut [u8]) -> Result<(), ReadError> {
        self.memory.read(address, to).map_err(ReadError::Memory)
    }

    /// The word at `address`.
    pub(super) fn word(&self, address: u64) -> Result<u64, ReadError> {
        let mut word = [0; 8];
        self.bytes(address, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    /// The half-word at `address`.
    pub(super) fn half(&self, address: u64) -> Result<u32, ReadError> {
        let mut half = [0; 4];
        self.bytes(address, &mut half)?;
        Ok(u32::from_le_bytes(half))
    }

    /// The field of `object` that `item` names, as a word.
    pub(super) fn field(&self, object: Object, item: Item) -> Result<u64, ReadError> {
        self.word(object.field(self.objects.offset(item)))
    }

    /// The object in a field of `object`.
    pub(super) fn object(&self, object: Object, item: Item) -> Result<Object, ReadError> {
        Object::from_word(self.field(object, item)?).ok_or(ReadError::Implausible("a field"))
    }

    /// The instance type of `object`. While the heap is compacted, one that was moved has its new address, untagged, in place
    /// of its map (`MapWord::FromForwardingAddress`, src/objects/objects-inl.h, 9.4 to 14.6 without pointer compression);
    /// whatever still points at it finds the rest of it as it was.
    pub(super) fn kind(&self, object: Object) -> Result<i32, ReadError> {
        let word = self.word(object.field(0))?;
        let map = if Object::from_word(word).is_some() { word } else { self.word(word)? };
        let map = Object::from_word(map).ok_or(ReadError::Implausible("a map"))?;
        let mut kind = [0; 2];
        self.bytes(map.field(self.objects.offset(Item::MapType)), &mut kind)?;
        Ok(i32::from(u16::from_le_bytes(kind)))
    }

    /// `object`, if it has the instance type that `item` names.
    pub(super) fn typed(&self, object: Object, item: Item, what: &'static str) -> Result<Object, ReadError> {
        if self.kind(object)? == self.objects.number(item) {
            Ok(object)
        } else {
            Err(ReadError::Implausible(what))
        }
    }

    /// The bytes of a byte array of at most `limit` bytes.
    pub(super) fn byte_array(&self, array: Object, limit: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; self.length(array, limit)?];
        self.bytes(array.field(ELEMENTS), &mut bytes)?;
        Ok(bytes)
    }

    /// Element `index` of an array.
    pub(super) fn element(&self, array: Object, index: u32) -> Result<u64, ReadError> {
        if (index as usize) < self.length(array, usize::MAX)? {
            self.word(array.field(ELEMENTS + 8 * index))
        } else {
            Err(ReadError::Implausible("an index"))
        }
    }

    /// The length of an array or bytecode array of at most `limit` elements.
    pub(super) fn length(&self, array: Object, limit: usize) -> Result<usize, ReadError> {
        let length = small_integer(self.word(array.field(LENGTH))?);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or(ReadError::Implausible("a length"))?;
        if length <= limit { Ok(length) } else { Err(ReadError::TooLarge("an array")) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::v8::objects::tests::metadata_24;

    /// Memory made by hand, by address.
    #[derive(Default)]
    pub(crate) struct Fake(pub(crate) BTreeMap<u64, u8>);

    impl Fake {
        pub(crate) fn put(&mut self, address: u64, bytes: &[u8]) {
            self.0.extend((address..).zip(bytes.iter().copied()));
        }

        pub(crate) fn word(&mut self, address: u64, word: u64) {
            self.put(address, &word.to_le_bytes());
        }

        /// Gives the object at `address` a map of its own with an instance type; the tagged object.
        pub(crate) fn object(&mut self, address: u64, kind: u16) -> Object {
            let map = 0x10_0000 + u64::from(kind) * 0x100;
            self.word(address, map | POINTER);
            self.put(map + 12, &kind.to_le_bytes());
            Object(address | POINTER)
        }

        pub(crate) fn heap(self) -> Heap<Self> {
            Heap::new(self, Objects::new("13.6.1.1-node.1", &metadata_24()).unwrap())
        }
    }

    impl Memory for Fake {
        fn read(&self, address: u64, to: &mut [u8]) -> io::Result<()> {
            for (at, byte) in (address..).zip(to) {
                *byte = *self.0.get(&at).ok_or(io::ErrorKind::UnexpectedEof)?;
            }
            Ok(())
        }
    }

    pub(crate) fn smi(value: u32) -> u64 {
        u64::from(value) << 32
    }

    pub(crate) fn tagged(address: u64) -> u64 {
        address | POINTER
    }

    #[test]
    fn tagged_words_are_told_apart() {
        assert_eq!(Object::from_word(0x1001), Some(Object(0x1001)));
        assert_eq!(Object::from_word(0x1003), Some(Object(0x1001)), "weak");
        assert_eq!(Object::from_word(smi(7)), None);
        assert_eq!((small_integer(smi(7)), small_integer(smi(7) + 1)), (Some(7), None));
        assert_eq!(small_integer(u64::MAX << 32), Some(-1));
        assert_eq!(Object(0x1001).field(8), 0x1008);
    }

    #[test]
    fn arrays_are_read_up_to_their_length_and_the_limit() {
        let mut memory = Fake::default();
        let array = memory.object(0x1000, 200);
        memory.word(0x1008, smi(9));
        memory.put(0x1010, b"abcdefghi");
        let heap = memory.heap();
        assert_eq!(heap.byte_array(array, 9).unwrap(), b"abcdefghi");
        assert!(matches!(heap.byte_array(array, 8), Err(ReadError::TooLarge(_))));
        assert_eq!(heap.element(array, 0).unwrap(), u64::from_le_bytes(*b"abcdefgh"));
        assert!(matches!(heap.element(array, 9), Err(ReadError::Implausible(_))));
        assert!(matches!(heap.word(0x5000), Err(ReadError::Memory(_))));
    }

    #[test]
    fn types_are_checked() {
        let mut memory = Fake::default();
        let script = memory.object(0x1000, 167);
        memory.word(0x2000, smi(1));
        memory.word(0x3000, script.0 - POINTER);
        let heap = memory.heap();
        assert_eq!(heap.kind(Object(0x3001)).unwrap(), 167, "moved to the other");
        assert_eq!(heap.typed(script, Item::ScriptType, "a script").unwrap(), script);
        assert!(matches!(heap.typed(script, Item::SharedType, "it"), Err(ReadError::Implausible("it"))));
        assert!(heap.kind(Object(0x2001)).is_err());
    }
}

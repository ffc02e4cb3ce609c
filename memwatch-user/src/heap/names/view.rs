//! Objects in memory, read by word: total, whatever the memory holds.

use crate::{
    heap::memory::Memory,
    v8::heap_layout::{HeapLayout, Kind, named},
};

/// An object, by its untagged address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Object(pub(super) u64);

/// Low bits of tagged words: a pointer, and the bit that makes it weak.
const POINTER: u64 = 0b01;
const WEAK: u64 = 0b10;

impl Object {
    /// What `word` refers to; `None` of a small integer.
    pub(super) fn of(word: u64) -> Option<Self> {
        (word & POINTER != 0).then_some(Self(word & !(POINTER | WEAK)))
    }

    /// The word that refers to it.
    pub(super) fn tagged(self) -> u64 {
        self.0 | POINTER
    }
}

/// What an object is, by its map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// The map.
    pub(super) map: Object,
    /// What that says it is.
    pub(super) kind: Kind,
}

/// Reads objects.
pub(super) struct View<M> {
    pub(super) memory: M,
    pub(super) layout: HeapLayout,
}

impl<M: Memory> View<M> {
    /// Word `index` of `object`; 0 is its map.
    pub(super) fn word(&self, object: Object, index: u32) -> Option<u64> {
        self.memory.word(object.0.wrapping_add(8 * u64::from(index)))
    }

    /// What word `index` of `object` refers to, at its new place if it was moved.
    pub(super) fn object(&self, object: Object, index: u32) -> Option<Object> {
        Object::of(self.word(object, index)?).map(|target| self.resolve(target))
    }

    /// Where `object` is. While the collector moves objects, one that was moved has its new address, untagged, in place of
    /// its map (`MapWord::FromForwardingAddress`, src/objects/objects-inl.h).
    pub(super) fn resolve(&self, object: Object) -> Object {
        match self.word(object, 0) {
            Some(word) if word & POINTER == 0 && word != 0 => Object(word),
            _ => object,
        }
    }

    /// Map and instance type of `object`.
    pub(super) fn shape(&self, object: Object) -> Option<Shape> {
        let map = self.object(self.resolve(object), 0)?;
        let mut kind = [0; 2];
        let is_there = self.memory.read(map.0.wrapping_add(named::MAP_TYPE), &mut kind);
        is_there.then(|| Shape { map, kind: self.layout.kind(u16::from_le_bytes(kind)) })
    }

    /// What `object` is.
    pub(super) fn kind(&self, object: Object) -> Option<Kind> {
        self.shape(object).map(|shape| shape.kind)
    }

    /// Whether `object` is of this kind.
    pub(super) fn is(&self, object: Object, of: Kind) -> bool {
        self.kind(object) == Some(of)
    }

    /// Whether `object` is a string.
    pub(super) fn is_string(&self, object: Object) -> bool {
        self.is(object, Kind::String)
    }

    /// A byte of `object`.
    pub(super) fn byte(&self, object: Object, offset: u64) -> Option<u8> {
        let mut byte = [0];
        self.memory.read(object.0.wrapping_add(offset), &mut byte).then_some(byte[0])
    }

    /// 32 bits of `object`.
    pub(super) fn half(&self, object: Object, offset: u64) -> Option<u32> {
        self.memory.half(object.0.wrapping_add(offset))
    }

    /// The number in word `index`: a small integer, or 32 bits as they are (V8 changed many lengths from one to the other).
    pub(super) fn number(&self, object: Object, index: u32) -> Option<u32> {
        self.word(object, index).map(number)
    }
}

/// The number in a word that is a small integer or 32 bits as they are.
pub(super) fn number(word: u64) -> u32 {
    let [low, high] = [word & 0xffff_ffff, word >> 32];
    u32::try_from(if low == 0 { high } else { low }).unwrap_or(0)
}

/// Whether it holds the variables of a function.
pub(super) fn is_context(kind: Kind) -> bool {
    matches!(kind, Kind::Context | Kind::NativeContext)
}

/// Whether it is what a call of a generator or async function leaves.
pub(super) fn is_suspended(kind: Kind) -> bool {
    matches!(kind, Kind::JsGenerator | Kind::JsAsyncFunction | Kind::JsAsyncGenerator)
}

/// Whether it is an array or table of references that has no name of its own.
pub(super) fn is_table(kind: Kind) -> bool {
    use Kind::{
        ArrayList, FixedArray, PropertyArray, SloppyArgumentsElements, WeakArrayList, WeakFixedArray,
    };
    matches!(
        kind,
        FixedArray | PropertyArray | ArrayList | SloppyArgumentsElements | WeakFixedArray | WeakArrayList
    )
}

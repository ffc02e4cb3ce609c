//! How long an object is, and which of its words are references: by its map and its own length.

use super::{HeapLayout, Kind, MapFields, word};
use crate::v8::objects::Item;

/// An object's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// How many there are, the map included; never more than there are to the end of the page, never none.
    pub words: usize,
    /// The first word behind those that are references; what follows is data.
    pub references: usize,
}

/// The lower half of a word.
const HALF: u64 = 0xffff_ffff;
/// How many properties a `PropertyArray` has, in its length field (`PropertyArray::LengthField`, src/objects/property-array.h).
const PROPERTIES: u64 = 0x3ff;
/// The last slots of a native context are heads of lists that hold weakly: optimised and deoptimised code, the next
/// context (`NativeContext::FIRST_WEAK_SLOT`, src/objects/contexts.h).
const WEAK_CONTEXT_SLOTS: usize = 3;
/// Slots whose kinds `FeedbackMetadata` packs into 32 bits (`VectorICComputer::kItemsPerWord`, src/objects/feedback-vector.h).
const KINDS_PER_INT: u64 = 6;
/// `StringEncodingMask` of the metadata: one byte a character.
const ONE_BYTE: u16 = 8;
/// `StringRepresentationMask` and `ExternalStringTag` of the metadata.
const REPRESENTATION: u16 = 7;
const EXTERNAL: u16 = 2;
/// `Code` to V8 10: its map and four references come first, then numbers.
const CODE_REFERENCES: usize = 5;

impl HeapLayout {
    /// The extent of an object with a map of `map`, whose words, with whatever follows it in its page, are `words`. `None`
    /// if its length is not known: it ends where the next object begins.
    #[must_use]
    #[inline]
    pub fn extent(&self, map: &MapFields, words: &[u64]) -> Option<Extent> {
        let (length, references) = match map.words {
            0 => self.own_extent(map, words)?,
            words if map.kind.is_data() => (usize::from(words), 1),
            words => (usize::from(words), usize::MAX),
        };
        let length = length.clamp(1, words.len().max(1));
        Some(Extent { words: length, references: references.min(length) })
    }

    /// Words, and which of them are references, of an object with a length of its own.
    fn own_extent(&self, map: &MapFields, words: &[u64]) -> Option<(usize, usize)> {
        let first = at(words, word::LENGTH);
        let length = length(first);
        let elements_after = |header: usize| (header.saturating_add(length), usize::MAX);
        Some(match map.kind {
            Kind::FixedArray | Kind::WeakFixedArray | Kind::TransitionArray | Kind::Context => {
                elements_after(2)
            }
            Kind::NativeContext => {
                let references = length.saturating_add(2).saturating_sub(WEAK_CONTEXT_SLOTS);
                (length.saturating_add(3), references)
            }
            Kind::WeakArrayList | Kind::ArrayList => elements_after(3),
            Kind::ObjectBoilerplateDescription | Kind::ScriptContextTable | Kind::SloppyArgumentsElements => {
                elements_after(4)
            }
            Kind::RegExpMatchInfo => elements_after(5),
            Kind::PropertyArray => (2 + int(first >> 32 & PROPERTIES), usize::MAX),
            Kind::DescriptorArray => (int(self.descriptors.into()) / 8 + 3 * int(first & 0xffff), usize::MAX),
            Kind::FeedbackVector => (int(self.feedback.into()) / 8 + int(first & HALF), usize::MAX),
            Kind::PreparseData => (int((16 + (first & HALF)).div_ceil(8) + (first >> 32)), usize::MAX),
            Kind::BytecodeArray => (bytes(self.bytecode.1, length), int(self.bytecode.0.into())),
            Kind::Code => (self.code_words(words)?, CODE_REFERENCES),
            kind => (self.data_words(kind, map.instance_type, first)?, 1),
        })
    }

    /// Words of an object without references.
    fn data_words(&self, kind: Kind, instance_type: u16, first: u64) -> Option<usize> {
        let length = length(first);
        Some(match kind {
            Kind::String if instance_type & ONE_BYTE != 0 => bytes(16, int(first >> 32)),
            Kind::String => bytes(16, int(first >> 32) * 2),
            Kind::ByteArray => bytes(16, length),
            Kind::FixedDoubleArray => length.saturating_add(2),
            Kind::BigInt => 2 + int((first & HALF) >> 1),
            Kind::FeedbackMetadata => self.metadata_words(first),
            Kind::FreeSpace if self.free_space_in_words => length,
            Kind::FreeSpace => length / 8,
            _ => return None,
        })
    }

    /// Bytes that a string of an instance type, with `words`, has outside of the heap.
    #[must_use]
    pub fn external_string_bytes(&self, instance_type: u16, words: &[u64]) -> u64 {
        let length = at(words, 1) >> 32;
        match (instance_type & REPRESENTATION == EXTERNAL, instance_type & ONE_BYTE != 0) {
            (false, _) => 0,
            (true, true) => length,
            (true, false) => length * 2,
        }
    }

    fn metadata_words(&self, counts: u64) -> usize {
        let slots = 4 * (counts & HALF).div_ceil(KINDS_PER_INT);
        let parameters = if self.feedback_has_parameters { 2 * (counts >> 32) } else { 0 };
        int((16 + slots + parameters).div_ceil(8))
    }

    /// Words of a `Code` that holds its instructions, to V8 10: header, instructions, metadata, up to a multiple of 64
    /// (`Code::SizeFor`, src/objects/code.h of 10.2).
    fn code_words(&self, words: &[u64]) -> Option<usize> {
        let sizes = at(words, int(self.objects.offset(Item::CodeSize).into()) / 8);
        let start = u64::from(self.objects.offset(Item::CodeStart));
        self.objects
            .code_is_inline
            .then(|| int((start + (sizes & HALF) + (sizes >> 32)).next_multiple_of(64) / 8))
    }
}

impl Kind {
    /// Whether an object of a fixed size has data only behind its map.
    fn is_data(self) -> bool {
        matches!(self, Self::HeapNumber | Self::Filler | Self::Foreign)
    }
}

fn at(words: &[u64], index: usize) -> u64 {
    words.get(index).copied().unwrap_or_default()
}

/// A length is a small integer, or 32 bits of a number.
fn length(word: u64) -> usize {
    int(if word & HALF == 0 { word >> 32 } else { word & HALF })
}

/// Words of a header of so many bytes and what follows it.
fn bytes(header: u32, length: usize) -> usize {
    int(header.into()).saturating_add(length).div_ceil(8)
}

fn int(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

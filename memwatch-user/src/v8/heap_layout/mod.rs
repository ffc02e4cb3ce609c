//! How a V8 lays out all objects of its heap: their sizes, what in them refers to others, and the few fields that edges
//! and names are read from. Pure: what a file or process holds is handed in.
//!
//! From V8's metadata (`v8dbg_*`) where it has any, else from a table by version. The table was measured on Node 18.20,
//! 20.20, 22.23, 24.21, 25.9 and 26.10 by walking whole heaps from object to object: a wrong size shows at once.

mod extent;
mod kinds;
pub(crate) mod named;

use std::collections::BTreeMap;

use thiserror::Error;

use self::kinds::Kinds;
pub use self::{extent::Extent, kinds::Kind};
use super::objects::{Objects, UnknownObjects, Version};

/// The first version after the last one that was measured (14.6, Node 26).
const TOO_NEW: Version = (15, 0);

/// Offsets that are the same from 9.4 to 14.6, in words.
pub(crate) mod word {
    /// `Map`: instance size in words, start of in-object properties, instance type, bit field, elements kind.
    pub(crate) const MAP_SIZES: usize = 1;
    /// `Map`: bit field 3.
    pub(crate) const MAP_BITS: usize = 2;
    /// Arrays: length.
    pub(crate) const LENGTH: usize = 1;
    /// `JSMap`, `JSSet`, `JSWeakMap`, `JSWeakSet`: the table.
    pub(crate) const TABLE: usize = 3;
    /// Tables of weak collections: the first entry, a key and a value (`EphemeronHashTable`: elements, deleted elements and
    /// capacity come before).
    pub(crate) const TABLE_ENTRIES: usize = 5;
}

/// Why a heap cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// Stacks of it cannot be read either.
    #[error(transparent)]
    Objects(#[from] UnknownObjects),
    /// It is newer than what was measured.
    #[error("the heap of V8 {0}.{1} is not known: Node 16 to 26 are")]
    TooNew(u32, u32),
    /// The metadata lacks something.
    #[error("V8's metadata lacks {0}")]
    Missing(&'static str),
    /// The metadata says something that is not expected.
    #[error("V8's metadata says {name} = {found}, not {expected}")]
    Unexpected {
        /// Which.
        name: &'static str,
        /// The value.
        found: i32,
        /// The value that is taken for granted.
        expected: i32,
    },
}

/// The layout of one build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeapLayout {
    /// Layout of the objects that functions and scripts are read from.
    pub objects: Objects,
    kinds: Kinds,
    /// Instance type of `Map`.
    pub map_type: u16,
    /// `JSFunction`: its context. Offsets are in bytes from the untagged address.
    pub function_context: u32,
    /// `ScopeInfo`: the first word behind its fixed fields; to 12.7 the names begin there, later possibly one word later.
    pub scope_first_names: u32,
    /// The scope type (low four bits of the flags) of a module.
    pub module_scope: u32,
    /// Whether a module's `ScopeInfo` has a count before the names (12 on).
    pub module_scope_has_count: bool,
    /// Words of a name dictionary, the elements of its array, before its first entry.
    pub name_dictionary_prefix: u32,
    /// Bytes before the first descriptor.
    pub descriptors: u32,
    /// Bytes before the first slot of a feedback vector.
    pub feedback: u32,
    /// Bytes of one element of `FeedbackMetadata`'s second array, if it has one (13 on).
    pub feedback_has_parameters: bool,
    /// Whether `FreeSpace` counts words (13 on), not bytes.
    pub free_space_in_words: bool,
    /// First of the words of a bytecode array that are no references, and the first bytecode.
    pub bytecode: (u32, u32),
    /// `JSArrayBuffer`: length in bytes.
    pub buffer_length: u32,
    /// `JSArrayBuffer`: address of its bytes.
    pub buffer_store: u32,
    /// Bit of a property's details that says it has no field, and where the number of its field begins.
    pub details_in_descriptor: u32,
    /// Lowest bit of the number of a field in a property's details.
    pub details_index_shift: u32,
}

/// What a map says of its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapFields {
    /// Their instance type.
    pub instance_type: u16,
    /// What that is.
    pub kind: Kind,
    /// Words of an object; 0 if each has its own length.
    pub words: u8,
    /// The word of an object where its properties begin, of what has properties.
    pub first_property: u8,
    /// Bit fields 1, 2 and 3.
    pub bits: (u8, u8, u32),
}

impl HeapLayout {
    /// The layout by `metadata` (names without `v8dbg_`) of the V8 that calls itself `version`.
    pub fn new(version: &str, metadata: &BTreeMap<String, i32>) -> Result<Self, LayoutError> {
        let objects = Objects::new(version, metadata)?;
        let version = objects.version;
        if version >= TOO_NEW {
            return Err(LayoutError::TooNew(version.0, version.1));
        }
        expected(metadata)?;
        let offset = |names: &[&'static str]| value(metadata, names).map(i32::unsigned_abs);
        Ok(Self {
            kinds: Kinds::new(version, metadata)?,
            map_type: map_type(metadata)?,
            function_context: offset(&[
                "class_JSFunction__context__Context",
                "class_JSFunction__context__Tagged_Context_",
            ])?,
            scope_first_names: 8 + 8 * offset(&["scopeinfo_idx_first_vars"])?,
            // `ScopeType` of src/common/globals.h: MODULE_SCOPE is 3 to 12.4, 5 later (measured).
            module_scope: if version < (13, 0) { 3 } else { 5 },
            module_scope_has_count: version >= (12, 0),
            name_dictionary_prefix: offset(&["namedictionary_prefix_start_index"])?
                + offset(&["namedictionaryshape_prefix_size"])?,
            descriptors: offset(&["class_DescriptorArray__header_size__uintptr_t"])?,
            feedback: feedback(version),
            feedback_has_parameters: version >= (13, 0),
            free_space_in_words: version >= (13, 0),
            bytecode: (
                if version < (12, 0) { 5 } else { 6 },
                objects.offset(super::objects::Item::BytecodeData),
            ),
            buffer_length: offset(&["class_JSArrayBuffer__byte_length__size_t"])?,
            buffer_store: offset(&["class_JSArrayBuffer__backing_store__uintptr_t"])?,
            details_in_descriptor: offset(&["prop_location_mask"])?,
            details_index_shift: offset(&["prop_index_shift"])?,
            objects,
        })
    }

    /// What objects of an instance type are.
    #[must_use]
    pub fn kind(&self, instance_type: u16) -> Kind {
        self.kinds.of(instance_type)
    }

    /// What the map with `words` says of its objects.
    #[must_use]
    pub fn map(&self, words: &[u64]) -> Option<MapFields> {
        let (sizes, bits) = (*words.get(word::MAP_SIZES)?, *words.get(word::MAP_BITS)?);
        let [size, first_property, _, _, low, high, bits1, bits2] = sizes.to_le_bytes();
        let instance_type = u16::from_le_bytes([low, high]);
        let [a, b, c, d, ..] = bits.to_le_bytes();
        let bits = (bits1, bits2, u32::from_le_bytes([a, b, c, d]));
        Some(MapFields { instance_type, kind: self.kind(instance_type), words: size, first_property, bits })
    }
}

/// The value that the metadata has by the first of `names` that it knows.
fn value(metadata: &BTreeMap<String, i32>, names: &[&'static str]) -> Result<i32, LayoutError> {
    let found = names.iter().find_map(|name| metadata.get(*name));
    found.copied().ok_or(LayoutError::Missing(names[0]))
}

fn map_type(metadata: &BTreeMap<String, i32>) -> Result<u16, LayoutError> {
    const NAME: &str = "type_Map__MAP_TYPE";
    u16::try_from(value(metadata, &[NAME])?).map_err(|_| LayoutError::Missing(NAME))
}

/// Bytes of a feedback vector before its slots: not in the metadata, found by walking heaps (a wrong value leaves most of
/// the old space unexplained).
fn feedback(version: Version) -> u32 {
    match version.0 {
        11 | 12 => 56,
        _ => 48,
    }
}

/// What is taken for granted beyond [`Objects`].
const EXPECTED: &[(&str, i32)] = &[
    ("class_Map__instance_size_in_words__char", 8),
    ("class_Map__instance_type__uint16_t", 12),
    ("class_Map__bit_field__char", 14),
    ("class_Map__bit_field2__char", 15),
    ("class_Map__bit_field3__int", 16),
    ("class_Map__instance_descriptors_offset", 40),
    ("class_JSObject__elements__Object", 16),
    ("class_Symbol__name__Object", 16),
    ("prop_desc_key", 0),
    ("prop_desc_details", 1),
    ("prop_desc_value", 2),
    ("prop_desc_size", 3),
    ("prop_location_Field", 0),
    ("bit_field3_is_dictionary_map_shift", 21),
    ("context_idx_scope_info", 0),
];

fn expected(metadata: &BTreeMap<String, i32>) -> Result<(), LayoutError> {
    let wrong = EXPECTED.iter().find_map(|&(name, expected)| {
        let found = *metadata.get(name)?;
        (found != expected).then_some(LayoutError::Unexpected { name, found, expected })
    });
    wrong.map_or(Ok(()), Err)
}

#[cfg(test)]
pub(crate) mod tests;

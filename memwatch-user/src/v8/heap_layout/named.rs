//! Words and bytes of objects that names are read from, the same from V8 9.4 to 14.6: words by number (0 is the map), bytes
//! from the untagged address.

/// `Map`, byte: words of an object.
pub(crate) const MAP_SIZE: u64 = 8;
/// `Map`, byte: the word of an object at which its properties begin.
pub(crate) const MAP_PROPERTIES: u64 = 9;
/// `Map`, byte: instance type, 16 bits.
pub(crate) const MAP_TYPE: u64 = 12;
/// `Map`, byte: bit field 2 (`Map::Bits2`, src/objects/map.h).
pub(crate) const MAP_BITS_2: u64 = 15;
/// `Map`, byte: bit field 3, 32 bits (`Map::Bits3`, src/objects/map.h).
pub(crate) const MAP_BITS_3: u64 = 16;
/// `Map`: the prototype of its objects.
pub(crate) const MAP_PROTOTYPE: u32 = 3;
/// `Map`: the constructor, or the map from which this one came by a transition.
pub(crate) const MAP_CONSTRUCTOR: u32 = 4;
/// `Map`: names and places of properties.
pub(crate) const MAP_DESCRIPTORS: u32 = 5;
/// In bit field 2: the class of objects is that of their constructor; above two bits, the kind of elements.
pub(crate) const BITS_2_IS_BASE: u8 = 1;
/// How far the kind of elements is from the lowest bit of bit field 2.
pub(crate) const BITS_2_ELEMENTS_SHIFT: u32 = 2;
/// In bit field 3: where the number of own descriptors begins, and its mask.
pub(crate) const BITS_3_DESCRIPTORS_SHIFT: u32 = 10;
/// The mask of that number.
pub(crate) const BITS_3_DESCRIPTORS_MASK: u32 = 0x3ff;
/// In bit field 3: the object is a prototype.
pub(crate) const BITS_3_IS_PROTOTYPE: u32 = 1 << 20;
/// In bit field 3: properties are in a dictionary.
pub(crate) const BITS_3_IS_DICTIONARY: u32 = 1 << 21;
/// Mask of the number of a field in a property's details, once shifted (`PropertyDetails::FieldIndexField`).
pub(crate) const DETAILS_INDEX_MASK: u32 = 0x3ff;
/// Objects: properties that are not in the object, or its hash.
pub(crate) const PROPERTIES: u32 = 1;
/// Objects: what is under numbers.
pub(crate) const ELEMENTS: u32 = 2;
/// `Map`, `Set`, `WeakMap`, `WeakSet`: the table. `Promise`: reactions or result. Generators: the function.
pub(crate) const TABLE: u32 = 3;
/// `Promise`: flags; the lowest bits are its state (src/objects/js-promise.tq).
pub(crate) const PROMISE_FLAGS: u32 = 4;
/// How many bits that are; all are 0 while it is pending.
pub(crate) const PROMISE_STATE_BITS: u32 = 2;
/// Generators: registers and parameters (src/objects/js-generator.tq).
pub(crate) const GENERATOR_REGISTERS: u32 = 9;
/// Arrays: where elements begin.
pub(crate) const FIRST_ELEMENT: u32 = 2;
/// Ordered hash tables and dictionaries: where what is behind their three numbers begins.
pub(crate) const TABLE_BODY: u32 = 5;
/// `Symbol`: its description.
pub(crate) const SYMBOL_NAME: u32 = 2;
/// `PropertyCell`: the name of the global.
pub(crate) const CELL_NAME: u32 = 1;
/// `Context`: its `ScopeInfo`.
pub(crate) const CONTEXT_SCOPE: u32 = 2;
/// `Context`: the scope around it; variables follow.
pub(crate) const CONTEXT_OUTER: u32 = 3;
/// `ScopeInfo`: flags.
pub(crate) const SCOPE_FLAGS: u32 = 1;
/// `ScopeInfo`: number of variables.
pub(crate) const SCOPE_COUNT: u32 = 3;
/// In a scope's flags: its kind (`ScopeType`).
pub(crate) const SCOPE_KIND: u32 = 0xf;
/// In a scope's flags: a slot before the variables is kept for what `eval` declares (src/objects/scope-info.tq).
pub(crate) const SCOPE_HAS_EXTENSION: u32 = 1 << 26;
/// More variables have their names in a hash table (`kScopeInfoMaxInlinedLocalNamesSize`).
pub(crate) const SCOPE_MOST_INLINED: u32 = 75;
/// `String`, byte: its length in characters.
pub(crate) const STRING_LENGTH: u64 = 12;

/// The kind of elements that are in a dictionary: (first version, kind), newest first (`ElementsKind`,
/// src/objects/elements-kind.h; measured).
pub(crate) const SPARSE_ELEMENTS: [((u32, u32), u8); 2] = [((11, 0), 13), ((0, 0), 12)];

//! Properties of objects: which name is at which place, and what is under a name.

use super::view::{Object, Shape, View, number};
use crate::{heap::memory::Memory, v8::heap_layout::named};

/// More entries of a dictionary are not searched.
const MAX_ENTRIES: u32 = 1 << 20;

/// A property in the descriptors of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Property {
    /// Its name: a string or a symbol.
    pub(super) key: Object,
    /// The number of its field; `None` if its value is in the descriptor.
    pub(super) field: Option<u32>,
    /// Word of the descriptors that has such a value.
    value: u32,
}

/// Where an object has its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fields {
    /// The word of the object at which they begin.
    start: u32,
    /// How many fit in there; others are beside it.
    inside: u32,
}

impl<M: Memory> View<M> {
    /// Whether objects of this map have their properties in a dictionary.
    pub(super) fn is_dictionary(&self, map: Object) -> bool {
        self.half(map, named::MAP_BITS_3).is_some_and(|bits| bits & named::BITS_3_IS_DICTIONARY != 0)
    }

    /// Whether objects of this map have their elements in a dictionary.
    pub(super) fn has_sparse_elements(&self, map: Object) -> bool {
        let kind = self.byte(map, named::MAP_BITS_2).map(|bits| bits >> named::BITS_2_ELEMENTS_SHIFT);
        let version = self.layout.objects.version;
        let sparse = named::SPARSE_ELEMENTS.iter().find(|(since, _)| *since <= version);
        kind.is_some() && kind == sparse.map(|(_, kind)| *kind)
    }

    /// The properties that a map describes, in the order in which they were added.
    pub(super) fn properties(&self, map: Object) -> Vec<Property> {
        let count = self.half(map, named::MAP_BITS_3).unwrap_or(0) >> named::BITS_3_DESCRIPTORS_SHIFT
            & named::BITS_3_DESCRIPTORS_MASK;
        let Some(descriptors) = self.object(map, named::MAP_DESCRIPTORS) else { return Vec::new() };
        (0..count).map_while(|index| self.descriptor(descriptors, index)).collect()
    }

    fn descriptor(&self, descriptors: Object, index: u32) -> Option<Property> {
        let entry = self.layout.descriptors / 8 + 3 * index;
        let key = self.object(descriptors, entry)?;
        let details = number(self.word(descriptors, entry + 1)?);
        let number = details >> self.layout.details_index_shift & named::DETAILS_INDEX_MASK;
        let field = (details & self.layout.details_in_descriptor == 0).then_some(number);
        Some(Property { key, field, value: entry + 2 })
    }

    fn fields(&self, map: Object) -> Option<Fields> {
        let (size, start) = (self.byte(map, named::MAP_SIZE)?, self.byte(map, named::MAP_PROPERTIES)?);
        Some(Fields { start: u32::from(start), inside: u32::from(size.saturating_sub(start)) })
    }

    /// The key of the property that is in word `slot` of objects of `map`; `None` if that is no property.
    pub(super) fn key_inside(&self, map: Object, slot: u32) -> Option<Object> {
        let fields = self.fields(map)?;
        let field = slot.checked_sub(fields.start).filter(|field| *field < fields.inside)?;
        self.key_of_field(map, field)
    }

    /// The key of the property that is in word `slot` of the array beside an object of `map`.
    pub(super) fn key_beside(&self, map: Object, slot: u32) -> Option<Object> {
        let field = slot.checked_sub(named::FIRST_ELEMENT)?.checked_add(self.fields(map)?.inside)?;
        self.key_of_field(map, field)
    }

    fn key_of_field(&self, map: Object, field: u32) -> Option<Object> {
        self.properties(map).into_iter().find(|property| property.field == Some(field)).map(|found| found.key)
    }

    /// The key of the entry of the name dictionary that has word `slot`, and how many entries the dictionary has.
    pub(super) fn key_in_dictionary(&self, dictionary: Object, slot: u32) -> Option<(Object, u32)> {
        let place = slot.checked_sub(self.dictionary_entries())?;
        let key = self.object(dictionary, self.dictionary_entries() + place / 3 * 3)?;
        Some((key, self.number(dictionary, named::FIRST_ELEMENT)?))
    }

    /// What `object` itself has under the string `name`.
    pub(super) fn own(
        &self,
        object: Object,
        shape: Shape,
        is_name: impl Fn(Object) -> bool,
    ) -> Option<Object> {
        if self.is_dictionary(shape.map) {
            return self.in_dictionary(self.object(object, named::PROPERTIES)?, is_name);
        }
        let property = self.properties(shape.map).into_iter().find(|property| is_name(property.key))?;
        let Some(field) = property.field else {
            return self.object(self.object(shape.map, named::MAP_DESCRIPTORS)?, property.value);
        };
        let fields = self.fields(shape.map)?;
        match field.checked_sub(fields.inside) {
            None => self.object(object, fields.start + field),
            Some(beside) => {
                self.object(self.object(object, named::PROPERTIES)?, named::FIRST_ELEMENT + beside)
            }
        }
    }

    /// The word of a name dictionary at which its entries begin.
    fn dictionary_entries(&self) -> u32 {
        named::FIRST_ELEMENT + self.layout.name_dictionary_prefix
    }

    fn in_dictionary(&self, dictionary: Object, is_name: impl Fn(Object) -> bool) -> Option<Object> {
        let words = 2 + self.number(dictionary, 1)?.min(MAX_ENTRIES);
        let mut entries = (self.dictionary_entries()..words).step_by(3);
        let entry = entries.find(|entry| self.object(dictionary, *entry).is_some_and(&is_name))?;
        self.object(dictionary, entry + 1)
    }
}

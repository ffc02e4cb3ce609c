//! How one object holds another, in words of JavaScript.

use super::{
    EdgeName,
    functions::Functions,
    view::{Object, Shape, View, is_context, is_suspended, number},
};
use crate::{
    heap::memory::Memory,
    v8::heap_layout::{Kind, named},
};

/// A plain object with more entries is a dictionary: what is under its keys are contents, not properties.
const MOST_PROPERTIES: u32 = 64;
/// Longest property of a dictionary that is taken for a name.
const LONGEST_PROPERTY: usize = 40;
/// Words of an entry of a `Map`'s table: key, value and chain.
const MAP_ENTRY: u32 = 3;
/// The word at which a dictionary of elements has its entries: behind two, three of a hash table and one of its own.
const SPARSE_ENTRIES: u32 = 6;

/// Words of objects of V8's that have names.
const INTERNAL: &[(Kind, u32, &str)] = &[
    (Kind::JsPromise, named::TABLE, "reaction or result"),
    (Kind::PromiseReaction, 1, "next reaction"),
    (Kind::PromiseReaction, 2, "rejection handler"),
    (Kind::PromiseReaction, 3, "fulfilment handler"),
    (Kind::PromiseReaction, 4, "promise"),
    (Kind::JsBoundFunction, 3, "bound function"),
    (Kind::JsBoundFunction, 4, "bound this"),
    (Kind::JsBoundFunction, 5, "bound arguments"),
    (Kind::AccessorPair, 1, "getter"),
    (Kind::AccessorPair, 2, "setter"),
    (Kind::FeedbackCell, 1, "feedback"),
    (Kind::JsProxy, 1, "proxy's target"),
];

/// A reference: word `slot` of `object`, which is of `shape`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    pub(super) object: Object,
    pub(super) shape: Shape,
    pub(super) slot: u32,
}

/// Names edges.
pub(super) struct Namer<'a, M> {
    pub(super) view: &'a View<M>,
    pub(super) functions: &'a Functions<M>,
    /// Whether keys of maps and dictionaries may be read.
    pub(super) keys: bool,
    /// Whether the owner is of no class but `Object`: then it may be a dictionary of the program's.
    pub(super) is_plain: bool,
}

impl<M: Memory> Namer<'_, M> {
    /// How an object that is no table holds what is in one of its words.
    pub(super) fn direct(&self, of: Reference) -> EdgeName {
        let Reference { object, shape, slot } = of;
        if is_context(shape.kind) {
            return self.variable(object, slot);
        }
        let internal = INTERNAL.iter().find(|(kind, word, _)| *word == slot && *kind == shape.kind);
        if let Some((.., name)) = internal {
            return EdgeName::Internal(name);
        }
        if shape.kind == Kind::PropertyCell {
            let name =
                self.view.object(object, named::CELL_NAME).and_then(|key| self.functions.key(self.view, key));
            return name.map_or(EdgeName::Internal("global"), EdgeName::Global);
        }
        if shape.kind.is_js_object() { self.of_receiver(of) } else { EdgeName::Internal("internal") }
    }

    fn variable(&self, context: Object, slot: u32) -> EdgeName {
        if slot == named::CONTEXT_OUTER {
            return EdgeName::Internal("outer scope");
        }
        let name = self.view.variable(context, slot).and_then(|name| self.functions.text(name));
        name.map_or(EdgeName::Internal("slot"), EdgeName::Variable)
    }

    fn of_receiver(&self, of: Reference) -> EdgeName {
        let Reference { shape, slot, .. } = of;
        if let Some(key) = self.view.key_inside(shape.map, slot) {
            return self.property(key);
        }
        let is_function = shape.kind == Kind::JsFunction;
        match slot {
            0 => EdgeName::Internal("shape"),
            _ if is_function && slot == self.view.layout.function_context / 8 => {
                EdgeName::Internal("context")
            }
            _ if is_function => EdgeName::Internal("code or prototype"),
            _ if is_suspended(shape.kind) => EdgeName::Internal("suspended in"),
            named::PROPERTIES => EdgeName::Internal("properties"),
            named::ELEMENTS => EdgeName::Internal("elements"),
            named::TABLE => EdgeName::Internal("table"),
            _ => EdgeName::Internal("internal"),
        }
    }

    fn property(&self, key: Object) -> EdgeName {
        self.functions.key(self.view, key).map_or(EdgeName::Internal("property"), EdgeName::Property)
    }

    /// How the table in word `owner.slot` of an object holds, in `table.slot`, what is asked about: as the object's own.
    pub(super) fn through(&self, owner: Reference, table: Reference) -> EdgeName {
        let is = |of| owner.shape.kind == of;
        let slot = table.slot;
        match owner.slot {
            named::TABLE if is(Kind::JsMap) => self.map_entry(table.object, slot),
            named::TABLE if is(Kind::JsSet) => EdgeName::SetElement,
            named::TABLE if is(Kind::JsWeakMap) || is(Kind::JsWeakSet) => EdgeName::WeakValue,
            named::GENERATOR_REGISTERS if is_suspended(owner.shape.kind) => {
                EdgeName::Local(slot.saturating_sub(named::FIRST_ELEMENT))
            }
            named::PROPERTIES if is(Kind::JsGlobalObject) => EdgeName::Internal("global"),
            named::PROPERTIES if owner.shape.kind.is_js_object() => self.beside(owner, table),
            named::ELEMENTS if owner.shape.kind.is_js_object() => self.element(owner, table),
            _ => self.direct(owner),
        }
    }

    fn map_entry(&self, table: Object, slot: u32) -> EdgeName {
        let buckets = self.view.number(table, named::TABLE_BODY - 1).unwrap_or(0);
        let Some(place) = slot.checked_sub(named::TABLE_BODY.saturating_add(buckets)) else {
            return EdgeName::Internal("table");
        };
        if place % MAP_ENTRY != 1 {
            return EdgeName::MapKey;
        }
        let key = if self.keys { self.key_text(table, slot - 1) } else { None };
        EdgeName::MapValue(key)
    }

    fn key_text(&self, table: Object, slot: u32) -> Option<String> {
        let word = self.view.word(table, slot)?;
        match Object::of(word) {
            None => Some((number(word).cast_signed()).to_string()),
            Some(key) => self.functions.key(self.view, self.view.resolve(key)),
        }
    }

    fn beside(&self, owner: Reference, table: Reference) -> EdgeName {
        if let Some(key) =
            self.view.key_beside(owner.shape.map, table.slot).filter(|_| !self.is_dictionary(owner))
        {
            return self.property(key);
        }
        let Some((key, entries)) = self.view.key_in_dictionary(table.object, table.slot) else {
            return EdgeName::Internal("properties");
        };
        let Some(name) = self.functions.key(self.view, key) else { return EdgeName::Entry(None) };
        if is_identifier(&name) && (entries <= MOST_PROPERTIES || !self.is_plain) {
            return EdgeName::Property(name);
        }
        EdgeName::Entry(self.keys.then_some(name))
    }

    fn is_dictionary(&self, owner: Reference) -> bool {
        self.view.is_dictionary(owner.shape.map)
    }

    fn element(&self, owner: Reference, table: Reference) -> EdgeName {
        if !self.view.has_sparse_elements(owner.shape.map) {
            return EdgeName::Element(table.slot.saturating_sub(named::FIRST_ELEMENT));
        }
        let entry = table.slot.saturating_sub(SPARSE_ENTRIES) / 3 * 3 + SPARSE_ENTRIES;
        EdgeName::Element(self.view.number(table.object, entry).unwrap_or(0))
    }
}

/// Whether it looks like something that a programmer wrote: a dictionary's keys are contents otherwise.
fn is_identifier(name: &str) -> bool {
    let is_part = |char: char| char.is_ascii_alphanumeric() || "_$#[] .".contains(char);
    name.len() <= LONGEST_PROPERTY
        && !name.starts_with(|char: char| char.is_ascii_digit())
        && name.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_contents_are_not_taken_for_names() {
        for (name, expected) in [
            ("items", true),
            ("_events", true),
            ("[Symbol.iterator]", true),
            ("ann@example.org", false),
            ("3f2504e0-4f89", false),
            ("x".repeat(41).as_str(), false),
        ] {
            assert_eq!(is_identifier(name), expected, "{name}");
        }
    }
}

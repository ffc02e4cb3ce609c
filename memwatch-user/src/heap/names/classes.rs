//! The class of an object, by the rule of V8's own snapshots (`JSReceiver::GetConstructorName`, src/objects/js-objects.cc),
//! but for `Symbol.toStringTag`: without it a subclass of `Map` has its own name.

use std::collections::HashMap;

use super::{
    Class, ClassKind,
    functions::Functions,
    view::{Object, Shape, View, is_table},
};
use crate::{
    heap::{graph::ShapeId, memory::Memory},
    v8::heap_layout::{Kind, named},
};

/// Longer chains of transitions or prototypes are not followed.
const MAX_CHAIN: u32 = 1 << 12;
/// Properties of a plain object that are part of its name.
const SHAPE_PROPERTIES: usize = 4;

/// Names of what is no object of JavaScript's, as Chrome's developer tools print them.
const SYSTEM: &[(Kind, &str, ClassKind)] = &[
    (Kind::String, "(string)", ClassKind::String),
    (Kind::Context, "(context)", ClassKind::System),
    (Kind::NativeContext, "(context)", ClassKind::System),
    (Kind::Symbol, "(symbol)", ClassKind::System),
    (Kind::Oddball, "(undefined, null, true, false)", ClassKind::System),
    (Kind::HeapNumber, "(number)", ClassKind::System),
    (Kind::BigInt, "(bigint)", ClassKind::System),
    (Kind::FixedDoubleArray, "(array of numbers)", ClassKind::Array),
    (Kind::ByteArray, "(bytes)", ClassKind::System),
    (Kind::ScopeInfo, "(scope info)", ClassKind::System),
    (Kind::Map, "(object shape)", ClassKind::System),
    (Kind::DescriptorArray, "(object shape)", ClassKind::System),
    (Kind::PropertyArray, "(object properties)", ClassKind::Array),
    (Kind::PropertyCell, "(global)", ClassKind::System),
    (Kind::Cell, "(module variable)", ClassKind::System),
    (Kind::WeakCell, "(weak reference)", ClassKind::System),
    (Kind::AccessorPair, "(getter and setter)", ClassKind::System),
    (Kind::SharedFunctionInfo, "(function's code)", ClassKind::Code),
    (Kind::Script, "(script)", ClassKind::Code),
    (Kind::Code, "(compiled code)", ClassKind::Code),
    (Kind::InstructionStream, "(compiled code)", ClassKind::Code),
    (Kind::BytecodeArray, "(bytecode)", ClassKind::Code),
    (Kind::FeedbackCell, "(feedback)", ClassKind::Code),
    (Kind::FeedbackVector, "(feedback)", ClassKind::Code),
    (Kind::PromiseReaction, "(promise reaction)", ClassKind::System),
    (Kind::SourceTextModule, "(module)", ClassKind::Code),
];

/// Which class objects have, kept by their shapes.
#[derive(Default)]
pub(super) struct Classes {
    of_shapes: HashMap<ShapeId, u32>,
    numbers: HashMap<Class, u32>,
    pub(super) all: Vec<Class>,
}

impl Classes {
    /// What is known of objects with this shape.
    pub(super) fn known(&self, shape: ShapeId) -> Option<u32> {
        self.of_shapes.get(&shape).copied()
    }

    /// Keeps that objects with this shape have that class.
    pub(super) fn keep(&mut self, shape: ShapeId, class: Class) -> u32 {
        let number = self.number(class);
        self.of_shapes.insert(shape, number);
        number
    }

    /// The number of a class.
    pub(super) fn number(&mut self, class: Class) -> u32 {
        if let Some(known) = self.numbers.get(&class) {
            return *known;
        }
        let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.all.push(class.clone());
        self.numbers.insert(class, number);
        number
    }
}

/// The class of objects with `shape`; closures have one each, which is not asked here.
pub(super) fn class<M: Memory>(view: &View<M>, functions: &mut Functions<M>, shape: Shape) -> Class {
    let Shape { map, kind } = shape;
    if let Some((_, name, class_kind)) = SYSTEM.iter().find(|(of, ..)| *of == kind) {
        return Class::new(name, *class_kind);
    }
    if is_table(kind) {
        return Class::new("(array)", ClassKind::Array);
    }
    if !kind.is_js_object() {
        return Class::new("(system)", ClassKind::System);
    }
    let name = constructor_name(view, functions, map).unwrap_or_else(|| "Object".to_owned());
    let shape = if name == "Object" { properties(view, functions, map) } else { None };
    Class { name, kind: ClassKind::Object, shape }
}

/// `{id, name, …}`: the first properties of a plain object; `None` if it has none, or if it is a dictionary, whose keys
/// are contents, or a prototype.
fn properties<M: Memory>(view: &View<M>, functions: &Functions<M>, map: Object) -> Option<String> {
    if view.is_dictionary(map) || is_prototype(view, map) {
        return None;
    }
    let properties = view.properties(map);
    let names: Vec<_> = properties
        .iter()
        .take(SHAPE_PROPERTIES)
        .filter_map(|property| functions.key(view, property.key))
        .collect();
    let more = if properties.len() > names.len() { ", …" } else { "" };
    (!names.is_empty()).then(|| format!("{{{}{more}}}", names.join(", ")))
}

fn is_prototype<M: Memory>(view: &View<M>, map: Object) -> bool {
    view.half(map, named::MAP_BITS_3).is_some_and(|bits| bits & named::BITS_3_IS_PROTOTYPE != 0)
}

fn constructor_name<M: Memory>(view: &View<M>, functions: &mut Functions<M>, map: Object) -> Option<String> {
    let is_base = view.byte(map, named::MAP_BITS_2).is_some_and(|bits| bits & named::BITS_2_IS_BASE != 0);
    let own = if is_base && !is_prototype(view, map) { of_constructor(view, functions, map) } else { None };
    own.or_else(|| of_prototypes(view, functions, map))
}

fn of_constructor<M: Memory>(view: &View<M>, functions: &mut Functions<M>, map: Object) -> Option<String> {
    let mut found = view.object(map, named::MAP_CONSTRUCTOR)?;
    for _ in 0..MAX_CHAIN {
        if !view.is(found, Kind::Map) {
            break;
        }
        found = view.object(found, named::MAP_CONSTRUCTOR)?;
    }
    functions.class_name(view, found)
}

/// The name of the first `constructor` among the prototypes.
fn of_prototypes<M: Memory>(view: &View<M>, functions: &mut Functions<M>, map: Object) -> Option<String> {
    let mut at = view.object(map, named::MAP_PROTOTYPE)?;
    for _ in 0..MAX_CHAIN {
        let shape = view.shape(at).filter(|shape| shape.kind.is_js_object())?;
        let constructor = view.own(at, shape, |key| functions.is_text(view, key, "constructor"));
        if let Some(name) = constructor.and_then(|constructor| functions.class_name(view, constructor)) {
            return Some(name);
        }
        at = view.object(shape.map, named::MAP_PROTOTYPE)?;
    }
    None
}

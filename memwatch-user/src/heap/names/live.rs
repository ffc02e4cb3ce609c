//! Names of the objects of a V8 whose memory can be read.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
};

use super::{
    Class, ClassId, ClassKind, EdgeName, Function, Names, Role, Step,
    classes::{self, Classes},
    edges::{Namer, Reference},
    functions::Functions,
    view::{Object, Shape, View, is_context, is_suspended, is_table},
};
use crate::{
    heap::{
        graph::{HeapGraph, NodeId, RootKind},
        memory::Memory,
    },
    v8::heap_layout::{HeapLayout, Kind, named},
};

/// Strings are compared by so many of their first characters, and their length.
const COMPARED: usize = 1 << 12;
/// Shorter strings are not compared: their objects cost as much as they do.
const SHORTEST_COMPARED: u32 = 16;
/// Tables within tables that are looked through.
const MAX_TABLES: usize = 4;

/// How names are to be read.
pub struct How {
    /// How objects are laid out.
    pub layout: HeapLayout,
    /// The root directory as the process sees it, where source maps are.
    pub root: PathBuf,
    /// Whether keys of maps and dictionaries may be read.
    pub keys: bool,
}

/// See [`Names`].
pub struct LiveNames<'a, G, M> {
    graph: &'a G,
    view: View<&'a M>,
    functions: Functions<&'a M>,
    classes: Classes,
    /// Classes of closures, by the function that they share.
    closures: HashMap<Object, u32>,
    keys: bool,
}

impl<'a, G: HeapGraph, M: Memory> LiveNames<'a, G, M> {
    /// Of the objects of `graph`, which are in `memory`.
    pub fn new(graph: &'a G, memory: &'a M, how: How) -> Self {
        Self {
            graph,
            functions: Functions::new(memory, how.layout.objects.clone(), how.root),
            view: View { memory, layout: how.layout },
            classes: Classes::default(),
            closures: HashMap::new(),
            keys: how.keys,
        }
    }

    fn is_root(&self, node: NodeId) -> bool {
        (node.0 as usize) < self.graph.roots().len()
    }

    fn object(&mut self, node: NodeId) -> Object {
        self.functions.enter(self.graph.isolate(node).map_or(u64::MAX, |isolate| u64::from(isolate.0)));
        Object(self.graph.address(node))
    }

    fn closure_class(&mut self, object: Object) -> u32 {
        let shared = self.functions.shared(&self.view, object).unwrap_or(object);
        if let Some(known) = self.closures.get(&shared) {
            return *known;
        }
        let function = self.functions.function(&self.view, object);
        let class =
            self.classes.number(function.map_or_else(unknown_function, |function| class_of(&function)));
        self.closures.insert(shared, class);
        class
    }

    fn reference(&mut self, node: NodeId, slot: u32) -> Option<Reference> {
        let object = self.object(node);
        Some(Reference { object, shape: self.view.shape(object)?, slot })
    }

    fn namer(&self) -> Namer<'_, &'a M> {
        Namer { view: &self.view, functions: &self.functions, keys: self.keys }
    }

    /// The tables from `table` outwards and what they belong to: the object that is no table, and the one right in it.
    fn owner(&mut self, table: NodeId) -> Option<(NodeId, Reference)> {
        let mut inner = table;
        for _ in 0..MAX_TABLES {
            let outer = self.graph.parent(inner).filter(|outer| !self.is_root(*outer))?;
            let reference = self.reference(outer, self.graph.slot(inner))?;
            if !is_table(reference.shape.kind) {
                return Some((outer, reference));
            }
            inner = outer;
        }
        None
    }

    /// The step from what is in `slot` of the table `table`.
    fn through_table(&mut self, table: NodeId, reference: Reference) -> Step {
        match self.owner(table) {
            Some((holder, owner)) if owner.shape.kind.is_js_object() => {
                Step { holder, edge: self.namer().through(owner, reference) }
            }
            _ => Step { holder: table, edge: EdgeName::Internal("table") },
        }
    }
}

fn unknown_function() -> Class {
    Class::new("(function)", ClassKind::Closure)
}

/// Of a closure: `name()`, and where the function begins.
fn class_of(function: &Function) -> Class {
    let name = function.name.as_deref().unwrap_or("(anonymous)");
    let place = function.file.as_deref().map(|file| match function.line {
        Some(line) => format!("{}:{line}", short(file)),
        None => short(file).to_owned(),
    });
    Class { name: format!("{name}()"), kind: ClassKind::Closure, shape: place }
}

/// The last part of a path; names of Node's own modules as they are.
#[must_use]
pub fn short(file: &str) -> &str {
    if file.starts_with("node:") { file } else { file.rsplit('/').next().unwrap_or(file) }
}

impl<G: HeapGraph, M: Memory> Names for LiveNames<'_, G, M> {
    fn class_of(&mut self, node: NodeId) -> ClassId {
        if let Some(root) = self.graph.roots().get(node.0 as usize) {
            return ClassId(self.classes.number(root_class(root.kind)));
        }
        let key = self.graph.shape(node);
        if let Some(known) = self.classes.known(key) {
            return ClassId(known);
        }
        let object = self.object(node);
        let Some(shape) = self.view.shape(object) else {
            return ClassId(self.classes.number(Class::new("(unreadable)", ClassKind::System)));
        };
        if shape.kind == Kind::JsFunction {
            return ClassId(self.closure_class(object));
        }
        let class = classes::class(&self.view, &mut self.functions, object, shape);
        ClassId(self.classes.keep(key, class))
    }

    fn class(&self, id: ClassId) -> &Class {
        &self.classes.all[id.0 as usize]
    }

    fn classes(&self) -> usize {
        self.classes.all.len()
    }

    fn step(&mut self, node: NodeId) -> Option<Step> {
        let parent = self.graph.parent(node)?;
        if let Some(root) = self.graph.roots().get(parent.0 as usize) {
            return Some(Step { holder: parent, edge: EdgeName::Root(root.kind) });
        }
        let Some(reference) = self.reference(parent, self.graph.slot(node)) else {
            return Some(Step { holder: parent, edge: EdgeName::Internal("internal") });
        };
        if is_table(reference.shape.kind) {
            return Some(self.through_table(parent, reference));
        }
        Some(Step { holder: parent, edge: self.namer().direct(reference) })
    }

    fn function(&mut self, node: NodeId) -> Option<Function> {
        if self.is_root(node) {
            return None;
        }
        let object = self.object(node);
        let kind = self.view.kind(object)?;
        let closure = if is_suspended(kind) { self.view.object(object, named::TABLE)? } else { object };
        if self.view.is(closure, Kind::JsFunction) {
            self.functions.function(&self.view, closure)
        } else {
            None
        }
    }

    fn role(&mut self, node: NodeId) -> Role {
        if self.is_root(node) {
            return Role::Root;
        }
        let object = self.object(node);
        self.view.shape(object).map_or(Role::System, |shape| self.role_of(object, shape))
    }

    fn string(&mut self, node: NodeId) -> Option<(u64, u64)> {
        let object = self.object(node);
        let length =
            self.view.half(object, named::STRING_LENGTH).filter(|length| *length >= SHORTEST_COMPARED)?;
        let contents = self.functions.contents(object, COMPARED)?;
        let mut hasher = DefaultHasher::new();
        (contents, length).hash(&mut hasher);
        Some((hasher.finish(), u64::from(length)))
    }
}

impl<G: HeapGraph, M: Memory> LiveNames<'_, G, M> {
    fn role_of(&self, object: Object, shape: Shape) -> Role {
        match shape.kind {
            Kind::String => Role::String,
            Kind::JsFunction => Role::Closure,
            Kind::JsPromise => Role::Promise(
                self.view
                    .number(object, named::PROMISE_FLAGS)
                    .is_some_and(|flags| flags.trailing_zeros() >= named::PROMISE_STATE_BITS),
            ),
            kind if is_context(kind) => Role::Context,
            kind if is_suspended(kind) => Role::Suspended,
            kind if is_table(kind) => Role::Table,
            kind if kind.is_js_object() => Role::Object,
            _ => Role::System,
        }
    }
}

fn root_class(kind: RootKind) -> Class {
    Class::new(root_name(kind), ClassKind::System)
}

/// What a group of roots is called.
#[must_use]
pub fn root_name(kind: RootKind) -> &'static str {
    match kind {
        RootKind::GlobalHandle => "global handles",
        RootKind::Isolate => "the isolate's roots",
        RootKind::Eternal => "eternal handles",
        RootKind::HandleScope => "handle scopes",
        RootKind::Stack => "stacks of threads",
    }
}

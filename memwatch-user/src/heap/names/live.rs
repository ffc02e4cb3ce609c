//! Names of the objects of a V8 whose memory can be read.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
};

use super::{
    Class, ClassId, ClassKind, EdgeName, Function, Names, Role, Step,
    classes::{self, Classes},
    edges::{Namer, Reference},
    functions::Functions,
    uses::Use,
    view::{Object, View, is_context, is_suspended, is_table},
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
/// Functions whose text is searched for a variable.
const MOST_USERS: usize = 500;
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
    /// Closures by their context, once that was asked for: one of each function.
    users: Option<HashMap<Object, Vec<NodeId>>>,
    /// How functions, by what their closures share, deal with variables.
    uses: HashMap<(Object, String), Option<(Use, Function)>>,
    /// What objects of each shape are.
    kinds: Vec<Option<Kind>>,
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
            users: None,
            uses: HashMap::new(),
            kinds: vec![None; graph.shapes() as usize],
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

    /// What `node` is.
    fn kind(&mut self, node: NodeId) -> Option<Kind> {
        let shape = self.graph.shape(node).0 as usize;
        let known = self.kinds.get(shape).copied().flatten();
        let kind = known.or_else(|| self.view.kind(Object(self.graph.address(node))))?;
        if let Some(known) = self.kinds.get_mut(shape) {
            *known = Some(kind);
        }
        Some(kind)
    }

    /// Closures by context. There may be a million of one function: the first of each is enough.
    fn closures_by_context(&mut self) -> HashMap<Object, Vec<NodeId>> {
        let mut users: HashMap<Object, Vec<NodeId>> = HashMap::new();
        let mut seen = HashSet::new();
        let word = self.view.layout.function_context / 8;
        let first = u32::try_from(self.graph.roots().len()).unwrap_or(u32::MAX);
        for node in (first..self.graph.len()).map(NodeId) {
            if self.kind(node) != Some(Kind::JsFunction) {
                continue;
            }
            let object = Object(self.graph.address(node));
            let found = (self.view.object(object, word), self.functions.shared(&self.view, object));
            if let (Some(context), Some(shared)) = found
                && seen.insert((context, shared))
            {
                users.entry(context).or_default().push(node);
            }
        }
        users
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

    /// How the function of a closure deals with a variable, and which one it is; `None` if it does not. There may be a million
    /// contexts of one function.
    fn use_of(&mut self, closure: NodeId, name: &str) -> Option<(Use, Function)> {
        let closure = self.object(closure);
        let key = (self.functions.shared(&self.view, closure)?, name.to_owned());
        if let Some(known) = self.uses.get(&key) {
            return known.clone();
        }
        let used = Some(self.functions.use_of(&self.view, closure, name)).filter(|used| *used != Use::None);
        let function = used.and_then(|used| Some((used, self.functions.function(&self.view, closure)?)));
        self.uses.insert(key, function.clone());
        function
    }

    fn reference(&mut self, node: NodeId, slot: u32) -> Option<Reference> {
        let object = self.object(node);
        Some(Reference { object, shape: self.view.shape(object)?, slot })
    }

    /// For what `owner` holds.
    fn namer(&mut self, owner: NodeId) -> Namer<'_, &'a M> {
        let class = self.class_of(owner);
        let is_plain = self.class(class).name == "Object";
        Namer { view: &self.view, functions: &self.functions, keys: self.keys, is_plain }
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
                Step { holder, edge: self.namer(holder).through(owner, reference) }
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
    let name = function.name.as_ref().map_or_else(|| "(anonymous)".to_owned(), |name| format!("{name}()"));
    let place = function.file.as_deref().map(|file| match function.line {
        Some(line) => format!("{}:{line}", short(file)),
        None => short(file).to_owned(),
    });
    Class { name, kind: ClassKind::Closure, shape: place }
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
        if self.kind(node) == Some(Kind::JsFunction) {
            return ClassId(self.closure_class(object));
        }
        let Some(shape) = self.view.shape(object) else {
            return ClassId(self.classes.number(Class::new("(unreadable)", ClassKind::System)));
        };
        let class = classes::class(&self.view, &mut self.functions, shape);
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
        Some(Step { holder: parent, edge: self.namer(parent).direct(reference) })
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

    fn user(&mut self, context: NodeId, name: &str) -> Option<Function> {
        let users = self.users.take().unwrap_or_else(|| self.closures_by_context());
        let object = Object(self.graph.address(context));
        let candidates = users.get(&object).cloned().unwrap_or_default();
        self.users = Some(users);
        let rated: Vec<_> =
            candidates.into_iter().take(MOST_USERS).filter_map(|node| self.use_of(node, name)).collect();
        // Of equals the first in the file, so that two takes name the same one.
        let best = rated.into_iter().max_by_key(|(used, of)| (*used, of.name.is_some(), Reverse(of.clone())));
        best.map(|(_, function)| function)
    }

    fn role(&mut self, node: NodeId) -> Role {
        if self.is_root(node) {
            return Role::Root;
        }
        let object = self.object(node);
        self.kind(node).map_or(Role::System, |kind| self.role_of(object, kind))
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
    fn role_of(&self, object: Object, kind: Kind) -> Role {
        match kind {
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

//! What objects of a heap are called: their classes, and how one holds another. Names of classes, properties and variables
//! are read, never values; keys of maps and dictionaries only when they were asked for.

mod classes;
mod edges;
mod functions;
mod live;
mod properties;
mod scopes;
mod uses;
mod view;

pub use live::{How, LiveNames, root_name, short};

use super::graph::{NodeId, RootKind};

/// A class, by its number among those of a [`Names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u32);

/// What sort of thing a class is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClassKind {
    /// Objects of JavaScript's.
    Object,
    /// Functions, each function a class.
    Closure,
    /// Arrays and tables behind objects.
    Array,
    /// Strings.
    String,
    /// Code, and what belongs to it.
    Code,
    /// Anything else of V8's own.
    System,
}

/// A class: what is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class {
    /// Its name, fit to be shown.
    pub name: String,
    /// What sort of thing it is.
    pub kind: ClassKind,
    /// Of a plain object, its first properties: `{id, name, …}`; of a function, its file and line.
    pub shape: Option<String>,
}

impl Class {
    /// One without a shape.
    #[must_use]
    pub fn new(name: &str, kind: ClassKind) -> Self {
        Self { name: name.to_owned(), kind, shape: None }
    }

    /// `Object {id, name, …}`: name and shape.
    #[must_use]
    pub fn full_name(&self) -> String {
        self.shape.as_ref().map_or_else(|| self.name.clone(), |shape| format!("{} {shape}", self.name))
    }
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Function {
    /// Its name; `None` if it has none.
    pub name: Option<String>,
    /// Its file, fit to be shown; `None` of V8's own.
    pub file: Option<String>,
    /// Where it begins.
    pub line: Option<u32>,
    /// Whether it is the program's, not Node's or V8's.
    pub is_users: bool,
}

/// How one object holds another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeName {
    /// A property.
    Property(String),
    /// A property under a key that is contents: of an object that serves as a dictionary.
    Entry(Option<String>),
    /// An element of an array.
    Element(u32),
    /// The value under a key of a `Map`; the key if keys were asked for.
    MapValue(Option<String>),
    /// A key of a `Map`.
    MapKey,
    /// An element of a `Set`.
    SetElement,
    /// The value under a key of a `WeakMap`.
    WeakValue,
    /// A variable of the function whose context it is.
    Variable(String),
    /// A global variable.
    Global(String),
    /// A local variable of a function that is suspended.
    Local(u32),
    /// Something of V8's own.
    Internal(&'static str),
    /// Nothing holds it but a root.
    Root(RootKind),
}

/// One step of a path, from an object to what holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What holds it: an object that has a name, not the table in between.
    pub holder: NodeId,
    /// How.
    pub edge: EdgeName,
}

/// Names of the nodes of a graph. What was read is kept, so asking changes the answerer.
pub trait Names {
    /// The class of `node`. Groups of roots have one too.
    fn class_of(&mut self, node: NodeId) -> ClassId;

    /// What a class is called.
    fn class(&self, id: ClassId) -> &Class;

    /// How many classes were met so far: their numbers are below.
    fn classes(&self) -> usize;

    /// What holds `node` along the shortest path, tables in between left out; `None` of a group of roots.
    fn step(&mut self, node: NodeId) -> Option<Step>;

    /// The function of a closure, or of what the call of a generator or async function left.
    fn function(&mut self, node: NodeId) -> Option<Function>;

    /// The function that deals most closely with the variable `name` of the context `node`, among those whose closures see
    /// it first.
    fn user(&mut self, context: NodeId, name: &str) -> Option<Function>;

    /// What is special about `node`.
    fn role(&mut self, node: NodeId) -> Role;

    /// A fingerprint of the contents of a string, with its length in characters; `None` if it is not compared.
    fn string(&mut self, node: NodeId) -> Option<(u64, u64)>;
}

/// What an object does, where that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Variables of a function.
    Context,
    /// A closure.
    Closure,
    /// What the call of a generator or async function left.
    Suspended,
    /// A promise; whether it is pending.
    Promise(bool),
    /// Anything else of JavaScript's.
    Object,
    /// A table or array without a name of its own.
    Table,
    /// A string.
    String,
    /// Anything else of V8's.
    System,
    /// A group of roots.
    Root,
}

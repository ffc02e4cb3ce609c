//! What a graph is made of.

/// A node of a graph, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// What objects of one kind share, by its number in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShapeId(pub u32);

/// An isolate, by its number in the take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IsolateId(pub u16);

/// How an edge holds what it refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EdgeKind {
    /// It keeps it alive.
    Strong,
    /// It does not.
    Weak,
    /// It keeps it alive for as long as a key is: the value of a `WeakMap`.
    Ephemeron,
}

/// A reference from an object to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Which word of the object it is: 0 is its map.
    pub slot: u32,
    /// What it refers to.
    pub child: NodeId,
    /// How.
    pub kind: EdgeKind,
}

/// Why objects are held without another object holding them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RootKind {
    /// A strong global handle: `v8::Global`, a reference of an addon, Node's own objects.
    GlobalHandle,
    /// A word of the isolate: V8's table of roots, builtins, what a thread runs right now.
    Isolate,
    /// An eternal handle.
    Eternal,
    /// An open handle scope: `v8::Local`.
    HandleScope,
    /// A word on a thread's stack that looks like a reference. Walked last: what it holds, nothing else does.
    Stack,
}

/// A group of roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// Which sort.
    pub kind: RootKind,
    /// Of which isolate; `None` of a thread's stack.
    pub isolate: Option<IsolateId>,
    /// How many references it has.
    pub edges: u32,
}

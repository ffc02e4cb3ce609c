//! Questions about heaps made by hand.

use super::{
    Anchor, Held, Histogram, Known, Trend, causes, census, compare, find, full_path, histogram, holders,
    instances, place, trend,
};
use crate::heap::{
    graph::{Edge, EdgeKind, HeapGraph, IsolateId, NodeId, Root, RootKind, ShapeId},
    names::{Class, ClassId, ClassKind, EdgeName, Function, Names, Role, Step},
};

/// An object made by hand.
#[derive(Clone)]
struct Node {
    parent: u32,
    bytes: u64,
    role: Role,
    class: &'static str,
    /// How its parent holds it; of what is in a table: how the table's owner does.
    edge: EdgeName,
    contents: Option<(u64, u64)>,
}

/// A heap made by hand: node 0 is the global handles. Names are kept beside the objects.
#[derive(Default)]
struct Made {
    nodes: Vec<Node>,
    roots: Vec<Root>,
    classes: Vec<Class>,
}

impl Made {
    fn new() -> Self {
        let root = Root { kind: RootKind::GlobalHandle, isolate: None, edges: 1 };
        let mut made = Self { roots: vec![root], ..Self::default() };
        made.add(0, 0, Role::Root, "global handles", EdgeName::Internal(""));
        made
    }

    fn add(&mut self, parent: u32, bytes: u64, role: Role, class: &'static str, edge: EdgeName) -> u32 {
        self.nodes.push(Node { parent, bytes, role, class, edge, contents: None });
        u32::try_from(self.nodes.len() - 1).unwrap()
    }

    /// A closure of the program that holds a context.
    fn context(&mut self) -> u32 {
        let closure = self.add(0, 64, Role::Closure, "remember()", EdgeName::Root(RootKind::GlobalHandle));
        self.add(closure, 48, Role::Context, "(context)", EdgeName::Internal("context"))
    }

    /// A `Map` in the variable `sessions`, with `count` objects of 100 bytes in its table.
    fn with_sessions(count: u32) -> Self {
        let mut made = Self::new();
        let context = made.context();
        made.add_sessions(context, count);
        made
    }

    fn add_sessions(&mut self, context: u32, count: u32) {
        let map = self.add(context, 32, Role::Object, "Map", EdgeName::Variable("sessions".to_owned()));
        let table = self.add(map, 200, Role::Table, "(array)", EdgeName::Internal("table"));
        for _ in 0..count {
            self.add(table, 100, Role::Object, "Session", EdgeName::MapValue(None));
        }
    }

    fn known(&mut self) -> (Held, Histogram) {
        let held = Held::new(self);
        let graph = Self { nodes: self.nodes.clone(), roots: self.roots.clone(), classes: Vec::new() };
        let histogram = histogram(&graph, self, &held);
        (held, histogram)
    }

    /// Asks with the graph and its names apart.
    fn ask<T>(&mut self, question: impl FnOnce(&Known<'_, Self>, &mut Self) -> T) -> T {
        let (held, histogram) = self.known();
        let graph = Self { nodes: self.nodes.clone(), roots: self.roots.clone(), classes: Vec::new() };
        question(&Known { graph: &graph, held: &held, histogram: &histogram }, self)
    }
}

impl HeapGraph for Made {
    fn len(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap()
    }

    fn roots(&self) -> &[Root] {
        &self.roots
    }

    fn parent(&self, node: NodeId) -> Option<NodeId> {
        (node.0 > 0).then(|| NodeId(self.nodes[node.0 as usize].parent))
    }

    fn slot(&self, _: NodeId) -> u32 {
        2
    }

    fn shape(&self, node: NodeId) -> ShapeId {
        ShapeId(node.0)
    }

    fn shapes(&self) -> u32 {
        self.len()
    }

    fn address(&self, node: NodeId) -> u64 {
        u64::from(node.0) * 8
    }

    fn shallow_bytes(&self, node: NodeId) -> u64 {
        self.nodes[node.0 as usize].bytes
    }

    fn external_bytes(&self, _: NodeId) -> u64 {
        0
    }

    fn isolate(&self, _: NodeId) -> Option<IsolateId> {
        None
    }

    fn edges(&self, node: NodeId, visit: &mut dyn FnMut(Edge)) {
        for child in (1..self.len()).map(NodeId).filter(|child| self.parent(*child) == Some(node)) {
            visit(Edge { slot: 2, child, kind: EdgeKind::Strong });
        }
    }
}

impl Names for Made {
    fn class_of(&mut self, node: NodeId) -> ClassId {
        let Node { class, role, .. } = self.nodes[node.0 as usize];
        let kind = match role {
            Role::Table => ClassKind::Array,
            Role::String => ClassKind::String,
            Role::Closure => ClassKind::Closure,
            Role::Context | Role::System | Role::Root => ClassKind::System,
            _ => ClassKind::Object,
        };
        let class = Class::new(class, kind);
        let at = self.classes.iter().position(|known| *known == class).unwrap_or_else(|| {
            self.classes.push(class);
            self.classes.len() - 1
        });
        ClassId(u32::try_from(at).unwrap())
    }

    fn class(&self, id: ClassId) -> &Class {
        &self.classes[id.0 as usize]
    }

    fn classes(&self) -> usize {
        self.classes.len()
    }

    fn step(&mut self, node: NodeId) -> Option<Step> {
        let parent = self.parent(node)?;
        let is_table = self.nodes[parent.0 as usize].role == Role::Table;
        let holder = if is_table { self.parent(parent)? } else { parent };
        Some(Step { holder, edge: self.nodes[node.0 as usize].edge.clone() })
    }

    fn function(&mut self, node: NodeId) -> Option<Function> {
        (self.nodes[node.0 as usize].role == Role::Closure).then(|| Function {
            name: Some("remember".to_owned()),
            file: Some("/app/server.js".to_owned()),
            line: Some(12),
            is_users: true,
        })
    }

    fn user(&mut self, _: NodeId, _: &str) -> Option<Function> {
        None
    }

    fn role(&mut self, node: NodeId) -> Role {
        self.nodes[node.0 as usize].role
    }

    fn string(&mut self, node: NodeId) -> Option<(u64, u64)> {
        self.nodes[node.0 as usize].contents
    }
}

#[test]
fn what_is_held_is_summed_up_along_the_tree() {
    let mut made = Made::with_sessions(10);
    let (held, histogram) = made.known();
    assert_eq!(held.total(), 64 + 48 + 32 + 200 + 1_000);
    assert_eq!(held.of(NodeId(3)), 1_232, "the map with its table and all in it");
    let session = made.class_of(NodeId(5));
    let (_, row) = histogram.rows().find(|(id, _)| *id == session).unwrap();
    assert_eq!((row.count, row.shallow, row.held), (10, 1_000, 1_000));
    assert_eq!(histogram.total.count, 14);
}

#[test]
fn the_holder_is_the_map_in_the_variable() {
    let mut made = Made::with_sessions(50);
    let found = made.ask(holders);
    assert_eq!(found.own, []);
    let [holder] = &found.program[..] else { panic!("{found:?}") };
    assert_eq!((holder.count, holder.bytes), (50, 5_232));
    assert_eq!(made.class(holder.class).name, "Session");
    assert_eq!(holder.place.to_string(), "Map `sessions` (closure of remember, server.js:12)");
}

#[test]
fn a_list_is_held_by_its_head() {
    let mut made = Made::new();
    let context = made.context();
    let mut last = made.add(context, 100, Role::Object, "Link", EdgeName::Variable("queue".to_owned()));
    for _ in 0..200 {
        last = made.add(last, 100, Role::Object, "Link", EdgeName::Property("next".to_owned()));
    }
    let found = made.ask(holders);
    let [holder] = &found.program[..] else { panic!("{found:?}") };
    assert_eq!((holder.node, holder.bytes), (NodeId(3), 20_100));
    assert_eq!(holder.place.label, "queue");
}

/// Each is held by a handle of its own, and so are its parts; what one of them has in a place of its own is told there.
#[test]
fn objects_of_one_class_that_only_handles_hold_are_a_place() {
    let mut made = Made::with_sessions(50);
    for _ in 0..40 {
        let socket = made.add(0, 100, Role::Object, "TCP", EdgeName::Root(RootKind::GlobalHandle));
        made.add(socket, 50, Role::Object, "Socket", EdgeName::Property("[owner]".to_owned()));
    }
    made.add(0, 10, Role::Object, "Once", EdgeName::Root(RootKind::GlobalHandle));
    let found = made.ask(holders);
    let told: Vec<_> =
        found.program.iter().map(|one| (one.place.to_string(), one.count, one.bytes)).collect();
    let handles = ("handles to TCP (global handles)".to_owned(), 40, 6_000);
    assert_eq!(told, [handles, ("Map `sessions` (closure of remember, server.js:12)".to_owned(), 50, 5_232)]);
    assert_eq!(found.own, []);
}

#[test]
fn tables_of_node_and_v8_are_apart() {
    let mut made = Made::with_sessions(50);
    let table = made.add(0, 10, Role::Table, "(array)", EdgeName::Root(RootKind::Isolate));
    for _ in 0..50 {
        made.add(table, 100, Role::System, "(system)", EdgeName::Internal("table"));
    }
    let found = made.ask(holders);
    assert_eq!((found.program.len(), found.own.len()), (1, 1));
    assert_eq!(found.own[0].place.anchor, Anchor::Root(RootKind::Isolate));
}

#[test]
fn many_objects_have_few_causes() {
    let mut made = Made::with_sessions(20);
    let one = made.add(2, 100, Role::Object, "Session", EdgeName::Variable("last".to_owned()));
    let session = made.class_of(NodeId(one));
    let (nodes, found) = made.ask(|known, names| {
        let nodes = instances(known.graph, |node| known.histogram.class_of(node) == session);
        let found = causes(known.graph, names, &nodes);
        (nodes, found)
    });
    assert_eq!((nodes.len(), found.len()), (21, 2));
    assert_eq!((found[0].count, found[0].bytes), (20, 2_000));
    assert_eq!(found[0].path, ["value of Map", "variable `sessions` of remember, server.js:12"]);
    assert_eq!(found[1].path, ["variable `last` of remember, server.js:12"]);
    let whole = full_path(&mut made, found[0].example);
    assert_eq!(whole[2..], ["context of closure remember, server.js:12", "global handles"]);
}

#[test]
fn growth_has_the_objects_their_holder_and_why() {
    let mut before = Made::with_sessions(200);
    let mut after = Made::with_sessions(300);
    let old = before.ask(census);
    let new = after.ask(census);
    let change = compare(&old, &new);
    assert_eq!((change.nodes, change.bytes), (100, 10_000));
    let [detail] = &change.details[..] else { panic!("{change:?}") };
    assert_eq!((detail.class.name.as_str(), detail.count, detail.bytes), ("Session", 100, 10_000));
    let [holder] = &change.holders[..] else { panic!("{change:?}") };
    assert_eq!((holder.grown_count, holder.grown_bytes, holder.count), (100, 10_000, 300));
    let [cause] = &change.causes[..] else { panic!("{change:?}") };
    assert_eq!((cause.count, cause.path.len()), (100, 2));
    assert_eq!(compare(&new, &new).holders, []);
}

#[test]
fn steady_growth_is_told_from_a_step() {
    let of = |first: i64, second: i64| trend((first << 10, 1.0), (second << 10, 3.0));
    assert_eq!(of(100, 300), Some(Trend::Steady));
    assert_eq!(of(200, 0), Some(Trend::Step));
    assert_eq!(of(-5, 900), Some(Trend::Step));
    assert_eq!((of(0, -1), of(30, 90)), (None, None));
}

#[test]
fn listeners_and_equal_strings_are_found() {
    let mut made = Made::with_sessions(1);
    let bus = made.add(2, 50, Role::Object, "EventEmitter", EdgeName::Variable("bus".to_owned()));
    let events = made.add(bus, 50, Role::Object, "Object", EdgeName::Property("_events".to_owned()));
    let array = made.add(events, 32, Role::Object, "Array", EdgeName::Property("tick".to_owned()));
    let table = made.add(array, 200, Role::Table, "(array)", EdgeName::Internal("elements"));
    for _ in 0..20 {
        made.add(table, 64, Role::Closure, "onTick()", EdgeName::Element(0));
    }
    for _ in 0..3 {
        let string = made.add(2, 80_000, Role::String, "(string)", EdgeName::Variable("text".to_owned()));
        made.nodes[string as usize].contents = Some((7, 80_000));
    }
    let found = made.ask(find);
    let told: Vec<_> = found.iter().map(|one| (one.what.as_str(), one.count, one.bytes)).collect();
    assert_eq!(told, [("tick", 20, 1_512), ("equal strings of 80000 characters", 3, 160_000)]);
    assert_eq!(
        found[0].place.to_string(),
        "listeners of `tick` of `bus` (closure of remember, server.js:12)"
    );
}

#[test]
fn a_way_that_never_ends_is_cut() {
    let mut made = Made::new();
    let mut at = 0;
    for _ in 0..100 {
        at = made.add(at, 8, Role::Object, "Object", EdgeName::Property(format!("p{at}")));
    }
    let there = place(&mut made, NodeId(at));
    assert_eq!(there.anchor, Anchor::Far);
    assert!(there.label.starts_with("….p"));
}

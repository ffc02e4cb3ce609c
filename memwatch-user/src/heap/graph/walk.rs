//! The walk from the roots over all objects, breadth first.

use rustc_hash::FxHashMap;

use super::{
    EdgeKind, Root, RootKind, ShapeId,
    marks::Marks,
    objects::{Shapes, is_strong, is_weak, target},
};
use crate::{
    heap::take::{Copied, Position, RootWords, Take},
    v8::heap_layout::{HeapLayout, Kind, MapFields, word},
};

/// The nodes, 16 bytes each.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    pub(super) position: Vec<u32>,
    pub(super) parent: Vec<u32>,
    pub(super) slot: Vec<u32>,
    pub(super) shape: Vec<u32>,
}

impl Nodes {
    fn len(&self) -> u32 {
        u32::try_from(self.position.len()).unwrap_or(u32::MAX)
    }

    fn push(&mut self, position: u32, parent: u32, slot: u32, shape: ShapeId) {
        self.position.push(position);
        self.parent.push(parent);
        self.slot.push(slot);
        self.shape.push(shape.0);
    }
}

/// What a walk came to.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) nodes: Nodes,
    pub(super) roots: Vec<Root>,
    pub(super) shapes: Shapes,
    pub(super) marks: Marks,
    /// The instance type of the tables of weak collections.
    pub(super) ephemerons: Option<u16>,
    pub(super) bad_slots: u64,
    pub(super) forwarded: u64,
    pub(super) live_bytes: u64,
}

/// Walks the objects of `take`.
pub(super) fn walk(take: &Take) -> Walked {
    let mut walk = Walk::new(take);
    for (number, root) in (0..).zip(&take.roots) {
        walk.nodes.push(u32::MAX, number, 0, ShapeId(0));
        walk.roots.push(Root { kind: root.kind, isolate: root.isolate, edges: 0 });
    }
    walk.next = walk.nodes.len();
    // Stacks come last, so that only what nothing else holds is held by them.
    for is_stack in [false, true] {
        let roots = (0..).zip(&take.roots).filter(|(_, root)| (root.kind == RootKind::Stack) == is_stack);
        roots.for_each(|(number, root)| walk.root(number, root));
        walk.visit_all();
    }
    walk.finish()
}

struct Walk<'a> {
    copied: &'a Copied,
    layout: &'a HeapLayout,
    nodes: Nodes,
    roots: Vec<Root>,
    shapes: Shapes,
    marks: Marks,
    /// The first node that was not visited.
    next: u32,
    /// Compiled code whose references are followed when nothing else is left.
    code: Vec<u32>,
    ephemerons: Option<u16>,
    /// Values of weak collections by the position of their key, which was not reached yet: table and slot.
    waiting: FxHashMap<u32, Vec<(u32, u32)>>,
    bad_slots: u64,
    forwarded: u64,
    live_bytes: u64,
}

impl<'a> Walk<'a> {
    fn new(take: &'a Take) -> Self {
        Self {
            copied: &take.copied,
            layout: &take.layout,
            nodes: Nodes::default(),
            roots: Vec::new(),
            shapes: Shapes::new(&take.layout),
            marks: Marks::new(take.copied.all().len()),
            next: 0,
            code: Vec::new(),
            ephemerons: None,
            waiting: FxHashMap::default(),
            bad_slots: 0,
            forwarded: 0,
            live_bytes: 0,
        }
    }

    fn root(&mut self, number: u32, root: &RootWords) {
        let mut edges = 0;
        for (slot, word) in (0..).zip(&root.words).filter(|(_, word)| is_strong(**word)) {
            edges += u32::from(self.reach(number, slot, *word));
        }
        if let Some(root) = self.roots.get_mut(number as usize) {
            root.edges = edges;
        }
    }

    /// Visits all nodes that were reached. What compiled code refers to comes last: V8 holds most of it weakly there
    /// (`Code::IsWeakObject`, src/objects/code.h), and what holds it really is to be told.
    fn visit_all(&mut self) {
        self.visit_reached();
        while !self.code.is_empty() {
            for node in std::mem::take(&mut self.code) {
                self.follow(node);
            }
            self.visit_reached();
        }
    }

    /// Objects do not overlap, so that they are not longer together than all pages: those
    /// that a hostile process forged, each as long as the rest of its page, would take for ever.
    fn visit_reached(&mut self) {
        let most = self.copied.all().len() as u64 * 8;
        while self.next < self.nodes.len() && self.live_bytes <= most {
            let node = self.next;
            self.next += 1;
            let shape = ShapeId(self.nodes.shape[node as usize]);
            match self.shapes.fields(shape).kind {
                Kind::Code | Kind::InstructionStream => self.code.push(node),
                _ => self.follow(node),
            }
        }
    }

    /// Follows all references of a node.
    fn follow(&mut self, node: u32) {
        let at = node as usize;
        let (position, shape) = (Position(self.nodes.position[at]), ShapeId(self.nodes.shape[at]));
        let fields = *self.shapes.fields(shape);
        let extent = self.shapes.extent(self.copied, self.layout, position, shape);
        self.live_bytes += extent.words as u64 * 8;
        let words = self.copied.from(position).get(..extent.references).unwrap_or_default();
        self.learn(&fields, words);
        let strong =
            if self.is_ephemeral(&fields) { word::TABLE_ENTRIES.min(words.len()) } else { words.len() };
        let weak = weak_slot(fields.kind);
        let is_checked = has_references_only(fields.kind);
        for (slot, word) in
            (0..).zip(&words[..strong]).filter(|(slot, word)| is_strong(**word) && *slot != weak)
        {
            if !self.reach(node, slot, *word) {
                self.bad_slots += u64::from(is_checked);
            }
        }
        self.ephemeral(node, strong, words);
        self.release(position);
    }

    /// The table of a weak collection tells what instance type such tables have.
    fn learn(&mut self, fields: &MapFields, words: &[u64]) {
        if self.ephemerons.is_none() && matches!(fields.kind, Kind::JsWeakMap | Kind::JsWeakSet) {
            self.ephemerons = words.get(word::TABLE).and_then(|table| {
                let at = target(self.copied, *table)?;
                let table = self.shapes.object(self.copied, self.layout, at)?;
                let fields = self.shapes.fields(table.shape);
                (fields.kind == Kind::FixedArray).then_some(fields.instance_type)
            });
        }
    }

    fn is_ephemeral(&self, fields: &MapFields) -> bool {
        self.ephemerons == Some(fields.instance_type)
    }

    /// The entries of a weak collection's table, behind `strong` words: key, value.
    fn ephemeral(&mut self, node: u32, strong: usize, words: &[u64]) {
        for (slot, entry) in (strong..).step_by(2).zip(words[strong..].as_chunks::<2>().0) {
            let (Some(key), Ok(slot)) = (target(self.copied, entry[0]), u32::try_from(slot + 1)) else {
                continue;
            };
            let Some(key) = self.shapes.object(self.copied, self.layout, key) else { continue };
            if self.marks.has(key.position) {
                self.reach_if_strong(node, slot, entry[1]);
            } else if is_strong(entry[1]) {
                self.waiting.entry(key.position.0).or_default().push((node, slot));
            }
        }
    }

    /// Follows what waited for the object at `position`.
    fn release(&mut self, position: Position) {
        if self.waiting.is_empty() {
            return;
        }
        for (table, slot) in self.waiting.remove(&position.0).unwrap_or_default() {
            let at = Position(self.nodes.position[table as usize].saturating_add(slot));
            self.reach_if_strong(table, slot, self.copied.at(at));
        }
    }

    fn reach_if_strong(&mut self, parent: u32, slot: u32, word: u64) {
        if is_strong(word) {
            self.reach(parent, slot, word);
        }
    }

    /// Makes a node of what `word` refers to, unless it is one; whether it refers to an object.
    #[inline]
    fn reach(&mut self, parent: u32, slot: u32, word: u64) -> bool {
        let Some(at) = target(self.copied, word) else { return false };
        if self.marks.has(at) {
            return true;
        }
        let Some(object) = self.shapes.object(self.copied, self.layout, at) else { return false };
        if object.is_forwarded {
            // What a stack or a word of the isolate still has of an object that was moved long ago says nothing.
            self.forwarded += u64::from(parent as usize >= self.roots.len());
            if self.marks.has(object.position) {
                return true;
            }
        }
        self.marks.set(object.position);
        self.nodes.push(object.position.0, parent, slot, object.shape);
        true
    }

    fn finish(self) -> Walked {
        Walked {
            nodes: self.nodes,
            roots: self.roots,
            shapes: self.shapes,
            marks: self.marks,
            ephemerons: self.ephemerons,
            bad_slots: self.bad_slots,
            forwarded: self.forwarded,
            live_bytes: self.live_bytes,
        }
    }
}

/// The word of an object of `kind` that refers weakly although it is tagged strongly; `u32::MAX` if none does.
pub(super) const fn weak_slot(kind: Kind) -> u32 {
    match kind {
        Kind::JsWeakRef => 3,
        Kind::WeakCell => 2,
        Kind::AllocationSite => 5,
        _ => u32::MAX,
    }
}

/// How the word in `slot` of an object refers to another.
pub(super) fn edge_kind(kind: Kind, is_ephemeral: bool, slot: u32, word: u64) -> Option<EdgeKind> {
    let is_entry = is_ephemeral && slot as usize >= word::TABLE_ENTRIES;
    match word {
        _ if is_weak(word) => Some(EdgeKind::Weak),
        _ if !is_strong(word) => None,
        _ if slot == weak_slot(kind) => Some(EdgeKind::Weak),
        // Key, value, key, value.
        _ if is_entry && (slot as usize - word::TABLE_ENTRIES).is_multiple_of(2) => Some(EdgeKind::Weak),
        _ if is_entry => Some(EdgeKind::Ephemeron),
        _ => Some(EdgeKind::Strong),
    }
}

/// Whether all words of an object of `kind` are references or small integers: a word that looks like a reference and leads
/// nowhere is then a sign of a torn copy.
const fn has_references_only(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::FixedArray
            | Kind::PropertyArray
            | Kind::Context
            | Kind::JsArray
            | Kind::JsMap
            | Kind::JsSet
            | Kind::JsFunction
    )
}

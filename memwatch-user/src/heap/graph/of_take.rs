//! The graph of a take.

use std::sync::OnceLock;

use thiserror::Error;

use super::{
    Edge, HeapGraph, IsolateId, NodeId, Root, ShapeId,
    linear::{self, Linear},
    marks::Numbers,
    objects::{self, Shape, is_strong, is_weak},
    walk::{self, Walked},
};
use crate::{
    heap::take::{How, Isolate, Position, Take},
    v8::heap_layout::{Extent, HeapLayout, Kind, MapFields},
};

/// Why no graph can be made of a take.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GraphError {
    /// It was torn, or taken inside a collection: another take may be right.
    #[error(
        "the copy is not consistent: {bad_slots} references lead nowhere, {forwarded} objects were just moved"
    )]
    Torn {
        /// Slots that refer to no object.
        bad_slots: u64,
        /// Objects that a collection had moved.
        forwarded: u64,
    },
    /// Its objects are not laid out as is thought.
    #[error(
        "the heap is not understood: only {explained} of {walked} bytes are objects that follow each other"
    )]
    Unexplained {
        /// Bytes of objects.
        explained: u64,
        /// Bytes that were walked over.
        walked: u64,
    },
    /// They were forged, or are not laid out as is thought.
    #[error("the heap is not understood: its objects overlap")]
    Overlapping,
    /// Nothing is reachable.
    #[error("no object is reachable: the roots of the heap are not understood")]
    Empty,
}

/// What the self-check of a graph counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// Slots of objects that refer to no object.
    pub bad_slots: u64,
    /// References to objects that a collection had moved: they were followed.
    pub forwarded: u64,
    /// Bytes of objects that are reachable.
    pub live_bytes: u64,
    /// Bytes that a walk from object to object went over.
    pub walked_bytes: u64,
    /// Bytes of those that are objects, or noted as free.
    pub explained_bytes: u64,
    /// Bytes of objects that are not reachable: what a full collection would free.
    pub garbage_bytes: u64,
}

/// What is reachable of a heap: what a full collection would leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reachable {
    /// The address of the heap.
    pub heap: u64,
    /// How many objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes outside of the heap that live as long as they do.
    pub external: u64,
}

/// Slots that lead nowhere, and objects that were moved, in a take that is consistent: up to 12 of either were seen, and
/// hundreds in those that were not.
const MAX_ODD: u64 = 20;
/// The same where the process ran on: one of so many objects.
const MAX_ODD_RUNNING: u64 = 1000;
/// Of the bytes that are walked over, so many in a thousand are objects: 996 to 1000 were seen, and 978 on 25.9 right after
/// collections, where more lies behind what is allocated in the page that is being filled.
const MIN_EXPLAINED: u64 = 970;

/// The graph of a take.
#[derive(Debug)]
pub struct Graph {
    take: Take,
    walked: Walked,
    checks: Checks,
    numbers: OnceLock<Numbers>,
}

impl Graph {
    /// The graph of `take`; an error if the take is not consistent.
    pub fn new(take: Take) -> Result<Self, GraphError> {
        let (graph, linear) = Self::unchecked(take);
        graph.check(linear)?;
        Ok(graph)
    }

    /// The same, whatever it is worth.
    pub(super) fn unchecked(take: Take) -> (Self, Linear) {
        let mut walked = walk::walk(&take);
        let linear = linear::walk(&take, &mut walked.shapes, &walked.marks);
        let checks = Checks {
            bad_slots: walked.bad_slots,
            forwarded: walked.forwarded,
            live_bytes: walked.live_bytes,
            walked_bytes: linear.walked,
            explained_bytes: linear.explained,
            garbage_bytes: linear.garbage,
        };
        (Self { take, walked, checks, numbers: OnceLock::new() }, linear)
    }

    fn check(&self, linear: Linear) -> Result<(), GraphError> {
        let Checks { bad_slots, forwarded, .. } = self.checks;
        let objects = u64::from(self.len());
        let most = match self.take.how {
            How::Running => MAX_ODD.max(objects / MAX_ODD_RUNNING),
            How::Stopped => MAX_ODD,
        };
        if self.walked.nodes.position.len() == self.walked.roots.len() {
            return Err(GraphError::Empty);
        }
        if self.checks.live_bytes > self.take.copied.all().len() as u64 * 8 {
            return Err(GraphError::Overlapping);
        }
        if bad_slots > most || forwarded > most {
            return Err(GraphError::Torn { bad_slots, forwarded });
        }
        if linear.explained < linear.walked / 1000 * MIN_EXPLAINED {
            return Err(GraphError::Unexplained { explained: linear.explained, walked: linear.walked });
        }
        Ok(())
    }

    /// The take that it was made of.
    #[must_use]
    pub fn take(&self) -> &Take {
        &self.take
    }

    /// How its objects are laid out.
    #[must_use]
    pub fn layout(&self) -> &HeapLayout {
        &self.take.layout
    }

    /// What the self-check counted.
    #[must_use]
    pub fn checks(&self) -> Checks {
        self.checks
    }

    /// A shape; shape 0 is of groups of roots and has no map.
    #[must_use]
    pub fn shape_of(&self, shape: ShapeId) -> Option<&Shape> {
        self.walked.shapes.all.get(shape.0 as usize)
    }

    /// What is reachable of each heap.
    #[must_use]
    pub fn reachable(&self) -> Vec<Reachable> {
        let of = |isolate: &Isolate| Reachable { heap: isolate.heap, ..Reachable::default() };
        let mut heaps: Vec<Reachable> = self.take.isolates.iter().map(of).collect();
        for node in (0..self.len()).map(NodeId).filter(|node| self.is_object(*node)) {
            let number = self.isolate(node).map(|isolate| usize::from(isolate.0));
            if let Some(heap) = number.and_then(|number| heaps.get_mut(number)) {
                heap.objects += 1;
                heap.bytes += self.shallow_bytes(node);
                heap.external += self.external_bytes(node);
            }
        }
        heaps
    }

    /// What `node` is.
    #[must_use]
    pub fn kind(&self, node: NodeId) -> Kind {
        self.shape_of(self.shape(node)).map_or(Kind::Other, |shape| shape.fields.kind)
    }

    /// All words of `node`, its map first; none of a group of roots.
    #[must_use]
    pub fn words(&self, node: NodeId) -> &[u64] {
        let (Some(position), Some(shape)) = (self.position(node), self.shape_of(self.shape(node))) else {
            return &[];
        };
        let words = self.take.copied.from(position);
        &words[..self.extent(&shape.fields, words).words.min(words.len())]
    }

    /// The words of the object that `word` refers to, strongly or weakly, whether it is a node or not; `None` if it refers to
    /// none. It is followed if a collection had just moved it.
    #[must_use]
    pub fn object(&self, word: u64) -> Option<&[u64]> {
        let (position, fields) = self.resolve(word)?;
        let words = self.take.copied.from(position);
        words.get(..self.extent(&fields, words).words)
    }

    /// The node that `word` refers to, strongly or weakly.
    #[must_use]
    pub fn node_at(&self, word: u64) -> Option<NodeId> {
        let (position, _) = self.resolve(word)?;
        self.node_at_position(position)
    }

    /// The table of instance types that hold values as long as their keys live, as learned from a weak collection.
    fn is_ephemeral(&self, fields: &MapFields) -> bool {
        self.walked.ephemerons == Some(fields.instance_type)
    }

    fn resolve(&self, word: u64) -> Option<(Position, MapFields)> {
        let at = objects::target(&self.take.copied, word).filter(|_| is_strong(word) || is_weak(word))?;
        let (map, position) = objects::map_word(&self.take.copied, at)?;
        Some((position, objects::map_fields(&self.take.copied, &self.take.layout, map)?))
    }

    fn node_at_position(&self, position: Position) -> Option<NodeId> {
        let Walked { marks, nodes, roots, .. } = &self.walked;
        let numbers = self.numbers.get_or_init(|| Numbers::new(marks, &nodes.position, roots.len()));
        numbers.node(marks, position).map(NodeId)
    }

    fn position(&self, node: NodeId) -> Option<Position> {
        let position = *self.walked.nodes.position.get(node.0 as usize)?;
        self.is_object(node).then_some(Position(position))
    }

    fn is_object(&self, node: NodeId) -> bool {
        node.0 as usize >= self.walked.roots.len()
    }

    fn extent(&self, fields: &MapFields, words: &[u64]) -> Extent {
        let is_map = |word| objects::map_fields(&self.take.copied, &self.take.layout, word).is_some();
        self.take.layout.extent(fields, words).unwrap_or_else(|| objects::until_next(words, is_map))
    }

    /// Bytes that the object with `words` has outside of the heap.
    fn external(&self, fields: &MapFields, words: &[u64]) -> u64 {
        let word = |offset: u32| words.get(offset as usize / 8).copied().unwrap_or_default();
        match fields.kind {
            Kind::JsArrayBuffer if word(self.take.layout.buffer_store) != 0 => {
                word(self.take.layout.buffer_length)
            }
            Kind::String => self.take.layout.external_string_bytes(fields.instance_type, words),
            _ => 0,
        }
    }
}

impl HeapGraph for Graph {
    fn len(&self) -> u32 {
        u32::try_from(self.walked.nodes.position.len()).unwrap_or(u32::MAX)
    }

    fn roots(&self) -> &[Root] {
        &self.walked.roots
    }

    fn parent(&self, node: NodeId) -> Option<NodeId> {
        let parent = *self.walked.nodes.parent.get(node.0 as usize)?;
        self.is_object(node).then_some(NodeId(parent))
    }

    fn slot(&self, node: NodeId) -> u32 {
        self.walked.nodes.slot.get(node.0 as usize).copied().unwrap_or_default()
    }

    fn shape(&self, node: NodeId) -> ShapeId {
        ShapeId(self.walked.nodes.shape.get(node.0 as usize).copied().unwrap_or_default())
    }

    fn shapes(&self) -> u32 {
        u32::try_from(self.walked.shapes.all.len()).unwrap_or(u32::MAX)
    }

    fn address(&self, node: NodeId) -> u64 {
        self.position(node).map_or(0, |position| self.take.copied.address(position))
    }

    fn shallow_bytes(&self, node: NodeId) -> u64 {
        self.words(node).len() as u64 * 8
    }

    fn external_bytes(&self, node: NodeId) -> u64 {
        let Some(shape) = self.shape_of(self.shape(node)) else { return 0 };
        match shape.fields.kind {
            Kind::JsArrayBuffer | Kind::String => self.external(&shape.fields, self.words(node)),
            _ => 0,
        }
    }

    fn isolate(&self, node: NodeId) -> Option<IsolateId> {
        let page = self.take.copied.page_of(self.position(node)?);
        let heap = self.take.copied.pages().get(page)?.heap;
        let number = self.take.isolates.iter().position(|isolate| isolate.heap == heap)?;
        Some(IsolateId(u16::try_from(number).ok()?))
    }

    fn edges(&self, node: NodeId, visit: &mut dyn FnMut(Edge)) {
        let (Some(position), Some(shape)) = (self.position(node), self.shape_of(self.shape(node))) else {
            return;
        };
        let (fields, words) = (shape.fields, self.take.copied.from(position));
        let references = self.extent(&fields, words).references;
        let is_ephemeral = self.is_ephemeral(&fields);
        for (slot, word) in (0..).zip(&words[..references.min(words.len())]) {
            let kind = walk::edge_kind(fields.kind, is_ephemeral, slot, *word);
            if let Some((kind, child)) = kind.and_then(|kind| Some((kind, self.node_at(*word)?))) {
                visit(Edge { slot, child, kind });
            }
        }
    }
}

//! What in a copy is an object, and of what kind.
//!
//! A word refers to an object if it is tagged, leads into a page, and finds a map there. A map is what has a map whose
//! instance type is that of maps, and so has that one: no fixed meta map is assumed, as later versions have one in each
//! context.

use rustc_hash::FxHashMap;

use super::ShapeId;
use crate::{
    heap::take::{Copied, Position},
    v8::heap_layout::{Extent, HeapLayout, MapFields, word},
};

/// Low bits of words: 01 refers strongly, 11 weakly, 0 is a small integer.
const TAG: u64 = 0b11;
/// Low bits of a strong reference.
pub(super) const STRONG: u64 = 0b01;
/// Low bits of a weak reference.
pub(super) const WEAK: u64 = 0b11;

/// Maps that are told apart. Programs have some thousand; a hostile one could have as many as its heap has words.
const MAX_SHAPES: usize = 1 << 20;
/// Words that are looked at for the next object behind one whose length is not known.
const MAX_UNKNOWN: usize = 1 << 16;
/// Maps that were met lately, by position: a power of two.
const RECENT: u32 = 4096;
/// The shape of what is no map.
const NO_SHAPE: ShapeId = ShapeId(u32::MAX);

/// What objects of one map share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Address of the map; 0 of the shape of groups of roots.
    pub map: u64,
    /// What it says.
    pub fields: MapFields,
}

/// An object in a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) position: Position,
    pub(super) shape: ShapeId,
    /// Whether a collection had moved it: what refers to it does not know yet.
    pub(super) is_forwarded: bool,
}

/// Whether `word` refers to something, strongly.
pub(super) const fn is_strong(word: u64) -> bool {
    word & TAG == STRONG
}

/// Whether `word` refers to something, weakly.
pub(super) const fn is_weak(word: u64) -> bool {
    word & TAG == WEAK
}

/// Where `word`, a reference, leads.
#[inline]
pub(super) fn target(copied: &Copied, word: u64) -> Option<Position> {
    copied.position(word & !TAG)
}

/// The map of the object at `position`, and where the object is now: elsewhere if a collection moved it, which leaves its new
/// address, untagged, in place of the map (`MapWord::FromForwardingAddress`, src/objects/objects-inl.h).
#[inline]
pub(super) fn map_word(copied: &Copied, position: Position) -> Option<(u64, Position)> {
    let map = copied.at(position);
    if is_strong(map) {
        return Some((map, position));
    }
    let moved = copied.position(map).filter(|_| map != 0)?;
    Some((copied.at(moved), moved)).filter(|(map, _)| is_strong(*map))
}

/// What the map says that `word` refers to; `None` if it refers to no map.
pub(super) fn map_fields(copied: &Copied, layout: &HeapLayout, word: u64) -> Option<MapFields> {
    let position = target(copied, word).filter(|_| is_strong(word))?;
    let map = map_of(copied, layout, position)?;
    map_of(copied, layout, map)?;
    layout.map(copied.from(position))
}

/// The map of what is at `position`, if its instance type is that of maps.
fn map_of(copied: &Copied, layout: &HeapLayout, position: Position) -> Option<Position> {
    let map = copied.at(position);
    let map = target(copied, map).filter(|_| is_strong(map))?;
    let sizes = *copied.from(map).get(word::MAP_SIZES)?;
    (layout.map(&[0, sizes, 0])?.instance_type == layout.map_type).then_some(map)
}

/// The maps of a copy, each with a number.
#[derive(Debug)]
pub(super) struct Shapes {
    pub(super) all: Vec<Shape>,
    by_position: FxHashMap<u32, ShapeId>,
    recent: Vec<(u32, ShapeId)>,
}

impl Shapes {
    /// None but the one of what is no object.
    pub(super) fn new(layout: &HeapLayout) -> Self {
        let fields = layout.map(&[0; 3]);
        let none = fields.map(|fields| Shape { map: 0, fields });
        Self {
            all: none.into_iter().collect(),
            by_position: FxHashMap::default(),
            recent: vec![(u32::MAX, NO_SHAPE); RECENT as usize],
        }
    }

    /// The object that `word`, a reference, refers to.
    #[inline]
    pub(super) fn object(&mut self, copied: &Copied, layout: &HeapLayout, at: Position) -> Option<Object> {
        let (map, position) = map_word(copied, at)?;
        let shape = self.of(copied, layout, map)?;
        Some(Object { position, shape, is_forwarded: position != at })
    }

    /// The shape that the map has which `map` refers to.
    #[inline]
    pub(super) fn of(&mut self, copied: &Copied, layout: &HeapLayout, map: u64) -> Option<ShapeId> {
        let position = target(copied, map)?;
        let slot = (position.0.wrapping_mul(0x9e37_79b1) >> 20 & (RECENT - 1)) as usize;
        if self.recent[slot].0 != position.0 {
            self.recent[slot] = (position.0, self.look_up(copied, layout, map, position));
        }
        let shape = self.recent[slot].1;
        (shape != NO_SHAPE).then_some(shape)
    }

    fn look_up(&mut self, copied: &Copied, layout: &HeapLayout, map: u64, position: Position) -> ShapeId {
        if let Some(shape) = self.by_position.get(&position.0) {
            return *shape;
        }
        let Some(fields) = map_fields(copied, layout, map) else { return NO_SHAPE };
        let shape = match u32::try_from(self.all.len()) {
            Ok(number) if self.all.len() < MAX_SHAPES => ShapeId(number),
            _ => return NO_SHAPE,
        };
        self.all.push(Shape { map: copied.address(position), fields });
        self.by_position.insert(position.0, shape);
        shape
    }

    /// What objects of a shape are.
    #[inline]
    pub(super) fn fields(&self, shape: ShapeId) -> &MapFields {
        &self.all[shape.0 as usize].fields
    }

    /// The extent of the object at `position`.
    #[inline]
    pub(super) fn extent(
        &mut self,
        copied: &Copied,
        layout: &HeapLayout,
        position: Position,
        shape: ShapeId,
    ) -> Extent {
        let words = copied.from(position);
        let known = layout.extent(self.fields(shape), words);
        known.unwrap_or_else(|| until_next(words, |word| self.of(copied, layout, word).is_some()))
    }
}

/// The extent of an object of unknown length with `words` and what follows: to the next word that refers to a map.
pub(super) fn until_next(words: &[u64], mut is_map: impl FnMut(u64) -> bool) -> Extent {
    let next = words.iter().skip(1).take(MAX_UNKNOWN).position(|word| is_strong(*word) && is_map(*word));
    let words = next.map_or_else(|| words.len().clamp(1, MAX_UNKNOWN), |at| at + 1);
    Extent { words, references: words }
}

//! The walk from object to object over whole pages: a self-test of what is known of sizes, and what is garbage.

use super::{
    marks::Marks,
    objects::{Shapes, is_strong},
};
use crate::{
    heap::take::{Copied, Page, Position},
    v8::heap_layout::{HeapLayout, Kind},
};

/// What a walk over pages came to, in bytes.
///
/// In a page of the young generation old contents lie behind what is allocated, cut anywhere: they are walked over for their
/// garbage, and say nothing about whether sizes are right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Linear {
    /// That were walked over in old pages, without what was never used.
    pub(super) walked: u64,
    /// Of objects in old pages.
    pub(super) explained: u64,
    /// Of objects in all pages that were not reached.
    pub(super) garbage: u64,
}

/// Walks over the pages of `copied` that hold objects one after another: neither instructions nor what was evacuated.
pub(super) fn walk(copied: &Copied, layout: &HeapLayout, shapes: &mut Shapes, marks: &Marks) -> Linear {
    let mut linear = Linear::default();
    for page in copied.pages().iter().filter(|page| !page.is_code && !page.is_from_space) {
        linear.page(copied, layout, shapes, marks, page);
    }
    linear
}

impl Linear {
    fn page(
        &mut self,
        copied: &Copied,
        layout: &HeapLayout,
        shapes: &mut Shapes,
        marks: &Marks,
        page: &Page,
    ) {
        let Some(mut at) = copied.position(page.start) else { return };
        let end = u64::from(at.0) + page.bytes() / 8;
        let (mut walked, mut explained) = (0, 0);
        while u64::from(at.0) < end {
            let map = copied.at(at);
            let shape = if is_strong(map) { shapes.of(copied, layout, map) } else { None };
            let words = shape.map_or(1, |shape| shapes.extent(copied, layout, at, shape).words);
            let bytes = words as u64 * 8;
            if let Some(shape) = shape {
                explained += bytes;
                let is_used = !is_unused(shapes.fields(shape).kind);
                self.garbage += if is_used && !marks.has(at) { bytes } else { 0 };
            }
            walked += if map == 0 { 0 } else { bytes };
            at = Position(at.0.saturating_add(u32::try_from(words).unwrap_or(u32::MAX)));
        }
        if !page.is_young {
            self.walked += walked;
            self.explained += explained;
        }
    }
}

fn is_unused(kind: Kind) -> bool {
    matches!(kind, Kind::Filler | Kind::FreeSpace)
}

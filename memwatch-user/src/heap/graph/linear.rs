//! The walk from object to object over whole pages: a self-test of what is known of sizes, and what is garbage.

use std::ops::Range;

use super::{
    RootKind,
    marks::Marks,
    objects::{Shapes, is_strong},
};
use crate::{
    heap::take::{Copied, Page, Position, Take},
    v8::heap_layout::Kind,
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

/// Walks over the pages of `take` that hold objects one after another: neither instructions nor what was evacuated.
pub(super) fn walk(take: &Take, shapes: &mut Shapes, marks: &Marks) -> Linear {
    let mut walk = Walk { take, shapes, marks, vacant: vacant(take), linear: Linear::default() };
    for page in take.copied.pages().iter().filter(|page| !page.is_code && !page.is_from_space) {
        walk.page(page);
    }
    walk.linear
}

/// Where V8 is about to put objects: what lies there is of earlier ones, cut anywhere. By position, in order. An isolate notes
/// `{start, top, limit}` of the area that it fills (`LinearAllocationArea`, src/heap/linear-allocation-area.h, a part of
/// `IsolateData`).
fn vacant(take: &Take) -> Vec<Range<u32>> {
    let isolates = take.roots.iter().filter(|root| root.kind == RootKind::Isolate);
    let areas = isolates.flat_map(|root| root.words.windows(3));
    let mut vacant: Vec<_> =
        areas.filter_map(|area| vacant_of(&take.copied, [area[0], area[1], area[2]])).collect();
    vacant.sort_unstable_by_key(|area| area.start);
    vacant
}

fn vacant_of(copied: &Copied, [start, top, limit]: [u64; 3]) -> Option<Range<u32>> {
    (start != 0 && start <= top && top < limit).then_some(())?;
    let [start, top, last] = [start, top, limit.checked_sub(8)?].map(|at| copied.position(at));
    let (start, top, last) = (start?, top?, last?);
    let page = copied.page_of(start);
    let is_one = copied.page_of(last) == page && copied.pages().get(page)?.end >= limit;
    is_one.then_some(top.0..last.0 + 1)
}

struct Walk<'a> {
    take: &'a Take,
    shapes: &'a mut Shapes,
    marks: &'a Marks,
    vacant: Vec<Range<u32>>,
    linear: Linear,
}

impl Walk<'_> {
    fn page(&mut self, page: &Page) {
        let copied = &self.take.copied;
        let Some(Position(start)) = copied.position(page.start) else { return };
        let end = start.saturating_add(u32::try_from(page.bytes() / 8).unwrap_or(u32::MAX));
        let (mut at, mut walked, mut explained) = (start, 0, 0);
        while at < end {
            if let Some(limit) = self.vacant_at(at) {
                at = limit;
                continue;
            }
            let (words, is_object) = self.object(Position(at));
            explained += if is_object { words * 8 } else { 0 };
            walked += if copied.at(Position(at)) == 0 { 0 } else { words * 8 };
            at = at.saturating_add(u32::try_from(words).unwrap_or(u32::MAX));
        }
        if !page.is_young {
            self.linear.walked += walked;
            self.linear.explained += explained;
        }
    }

    /// Words of what is at `at`, and whether it is an object; one word if it is none.
    fn object(&mut self, at: Position) -> (u64, bool) {
        let Take { copied, layout, .. } = self.take;
        let map = copied.at(at);
        let Some(shape) =
            Some(map).filter(|map| is_strong(*map)).and_then(|map| self.shapes.of(copied, layout, map))
        else {
            return (1, false);
        };
        let words = self.shapes.extent(copied, layout, at, shape).words as u64;
        if !is_unused(self.shapes.fields(shape).kind) && !self.marks.has(at) {
            self.linear.garbage += words * 8;
        }
        (words, true)
    }

    /// Where the vacant area ends that begins at `at`, if one does.
    fn vacant_at(&self, at: u32) -> Option<u32> {
        let found = self.vacant.binary_search_by_key(&at, |area| area.start).ok()?;
        Some(self.vacant[found].end)
    }
}

fn is_unused(kind: Kind) -> bool {
    matches!(kind, Kind::Filler | Kind::FreeSpace)
}

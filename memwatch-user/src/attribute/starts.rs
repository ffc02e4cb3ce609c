//! Where collections start, by kind and reason: in which line of JavaScript, or outside of it. Pure.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use crate::model::{Collection, Frame, FrameKind, GcKind, Stack, StackEnd, origin};

/// Starts that are told of mark-compacts, and of all others.
const STARTS: usize = 5;
/// Frames that are told of each.
const FRAMES: usize = 3;
/// Different starts that are told apart. A program has as many lines at which collections start as it has lines that
/// allocate; of ours some tens.
const MAX_STARTS: usize = 1024;

/// So many collections, and how long JavaScript stood still for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Paused {
    /// Their pauses, added up.
    pub pause: Duration,
    /// How many.
    pub n: u64,
}

impl Paused {
    fn add(&mut self, pause: Duration) {
        self.pause += pause;
        self.n += 1;
    }
}

/// Collections of one kind that started in one place for one reason.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Start {
    /// Their kind.
    pub kind: GcKind,
    /// V8's reason for them.
    pub reason: u8,
    /// How many, and how long.
    pub paused: Paused,
    /// The latest stack that led there, from the user's own code outwards; none outside of JavaScript.
    pub frames: Vec<Frame>,
}

/// Where collections of one isolate started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Starts {
    places: BTreeMap<Key, Start>,
    /// All collections.
    pub all: Paused,
    /// Those that started outside of JavaScript.
    pub outside: Paused,
    /// Those of which it is not known where they started, or that are more than are told apart.
    pub unknown: Paused,
}

/// What tells starts apart: file, line and function; none of them outside of JavaScript.
type Key = (GcKind, u8, Option<(Option<String>, Option<u32>, Option<String>)>);

impl Starts {
    /// Takes in a collection that started at `frames`, as of [`started_in`].
    pub(crate) fn add(&mut self, collection: &Collection, frames: Option<&[Frame]>) {
        let pause = collection.pause();
        self.all.add(pause);
        let Some(frames) = frames else { return self.unknown.add(pause) };
        let place = frames.first().map(|frame| (frame.file.clone(), frame.line, frame.function.clone()));
        let key = (collection.kind, collection.reason, place);
        if self.places.len() >= MAX_STARTS && !self.places.contains_key(&key) {
            return self.unknown.add(pause);
        }
        if frames.is_empty() {
            self.outside.add(pause);
        }
        let (kind, reason, paused) = (collection.kind, collection.reason, Paused::default());
        let start = self.places.entry(key).or_insert(Start { kind, reason, paused, frames: Vec::new() });
        start.paused.add(pause);
        frames.clone_into(&mut start.frames);
    }

    /// Those that JavaScript stood still for the longest: mark-compacts first, then the others.
    #[must_use]
    pub(crate) fn largest(&self) -> Vec<&Start> {
        let is_full = |start: &&Start| start.kind == GcKind::MarkCompact;
        let (full, others): (Vec<_>, Vec<_>) = self.places.values().partition(is_full);
        [full, others].into_iter().flat_map(longest).collect()
    }
}

fn longest(mut starts: Vec<&Start>) -> impl Iterator<Item = &Start> {
    starts.sort_by_key(|start| Reverse(start.paused));
    starts.into_iter().take(STARTS)
}

/// The frames of `stack` from the user's own code outwards, a few; none outside of JavaScript. `None` if it is not known
/// what ran.
#[must_use]
pub(crate) fn started_in(stack: &Stack) -> Option<Vec<Frame>> {
    if stack.end == StackEnd::Outside {
        return Some(Vec::new());
    }
    let frames: Vec<Frame> = stack.frames.iter().skip(origin(&stack.frames)).take(FRAMES).cloned().collect();
    let is_known = frames.first().is_some_and(|frame| frame.kind != FrameKind::Unknown);
    is_known.then_some(frames)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::sample_stacks, *};
    use crate::series::valleys::tests::mark_compact;

    fn collection(kind: GcKind, reason: u8, ms: u64) -> Collection {
        let mut collection = Collection { kind, reason, ..mark_compact(1.0, 9, 5) };
        collection.start.0 -= ms * 1_000_000;
        collection
    }

    #[test]
    fn a_stack_tells_the_users_own_line_or_that_there_is_no_javascript() {
        let [called, outside, unknown] = <[Stack; 3]>::try_from(sample_stacks()).unwrap();
        let frames = started_in(&called).unwrap();
        assert_eq!((frames.len(), frames[0].file.as_deref()), (3, Some("/srv/a;b.js")));
        assert_eq!(started_in(&outside), Some(Vec::new()));
        assert_eq!(started_in(&unknown), None);
    }

    #[test]
    fn mark_compacts_are_told_apart_from_scavenges_and_outside_from_unknown() {
        let stacks = sample_stacks();
        let [called, outside, unknown] = [0, 1, 2].map(|at: usize| started_in(&stacks[at]));
        let mut starts = Starts::default();
        for (kind, reason, ms, frames) in [
            (GcKind::Scavenge, 1, 900, &called),
            (GcKind::MarkCompact, 2, 20, &called),
            (GcKind::MarkCompact, 9, 30, &outside),
            (GcKind::MarkCompact, 2, 40, &called),
            (GcKind::Scavenge, 1, 7, &unknown),
        ] {
            starts.add(&collection(kind, reason, ms), frames.as_deref());
        }
        let told: Vec<_> = starts
            .largest()
            .into_iter()
            .map(|start| {
                (start.kind, start.reason, start.paused.n, start.paused.pause.as_millis(), start.frames.len())
            })
            .collect();
        assert_eq!(
            told,
            [
                (GcKind::MarkCompact, 2, 2, 60, 3),
                (GcKind::MarkCompact, 9, 1, 30, 0),
                (GcKind::Scavenge, 1, 1, 900, 3)
            ]
        );
        assert_eq!((starts.all.n, starts.outside.n, starts.unknown.n), (5, 1, 1));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut starts = Starts::default();
        for line in 0..2000 {
            let frame = Frame { line: Some(line), kind: FrameKind::JavaScript, ..Frame::unknown() };
            starts.add(&collection(GcKind::Scavenge, 1, 1), Some(&[frame]));
        }
        assert_eq!((starts.places.len(), starts.all.n, starts.unknown.n), (1024, 2000, 976));
        // It is either outside or unknown, or there would be more of them than of all.
        starts.add(&collection(GcKind::MarkCompact, 2, 1), Some(&[]));
        assert_eq!((starts.outside.n, starts.unknown.n), (0, 977));
        assert_eq!(starts.largest().len(), STARTS);
    }
}

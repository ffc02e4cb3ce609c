//! Whether the books of what isolates hold outside of their heaps can be read in one process: said when it changes.

use memwatch_common::outside::OutsideLayout;

use crate::{
    model::{Collection, OutsideHeap},
    report::record::{Body, Feature},
    sample,
};

/// What went wrong if the way that the code describes does not lead to the books.
const LOST: &str = "the isolate's allocator of array buffers is none of Node's where the code has it, or it could not be \
                    read";

/// The books of one process.
pub(super) struct Outside {
    layout: OutsideLayout,
    /// Whether the last collection told what they say.
    on: bool,
}

impl Outside {
    /// What the code says is believed until a collection shows otherwise.
    pub(super) const fn new(layout: OutsideLayout) -> Self {
        Self { layout, on: true }
    }

    /// What there is to say after `collection`.
    pub(super) fn check(&mut self, collection: &Collection) -> Option<Body> {
        let on = collection.outside.array_buffers.is_some();
        let is_news = self.layout.is_known() && on != self.on;
        self.on = on;
        let (state, reason) = if on { ("on", "it can be read again") } else { ("off", LOST) };
        is_news.then(|| {
            let [name, state, reason] = ["external", state, reason].map(str::to_owned);
            Body::Feature(Feature { name, state, reason })
        })
    }

    /// What the books of the isolates that have `heaps` say now.
    pub(super) fn read(&self, pid: u32, heaps: impl IntoIterator<Item = u64>) -> OutsideHeap {
        sample::outside::read(pid, heaps, &self.layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GcKind, Mono};

    fn collection(array_buffers: Option<u64>) -> Collection {
        Collection {
            heap: 1,
            tid: 1,
            start: Mono(1),
            end: Mono(2),
            kind: GcKind::Scavenge,
            reason: 1,
            before_bytes: None,
            after_bytes: None,
            limit: None,
            compacted: None,
            marking_start: None,
            outside: OutsideHeap { array_buffers, external: None },
        }
    }

    fn told(layout: OutsideLayout, seen: &[Option<u64>]) -> Vec<Option<String>> {
        let mut outside = Outside::new(layout);
        let mut state = |array_buffers: &Option<u64>| match outside.check(&collection(*array_buffers)) {
            Some(Body::Feature(feature)) => Some(feature.state),
            _ => None,
        };
        seen.iter().map(&mut state).collect()
    }

    #[test]
    fn only_changes_are_told_and_only_if_something_was_promised() {
        let known = OutsideLayout { heap: 8, ..OutsideLayout::UNKNOWN };
        let seen = [Some(5), None, None, Some(0), Some(1)];
        let words = |words: [Option<&str>; 5]| words.map(|word| word.map(str::to_owned)).to_vec();
        assert_eq!(told(known, &seen), words([None, Some("off"), None, Some("on"), None]));
        assert_eq!(told(OutsideLayout::UNKNOWN, &seen), words([None; 5]));
    }
}

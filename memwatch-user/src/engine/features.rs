//! Features that a target turns out to have or not to have later than at the hello: said when that changes.

use crate::model::Collection;

/// Whether something of a target can be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FeatureState {
    /// It can.
    On,
    /// It cannot, and why.
    Off(String),
}

impl FeatureState {
    /// On, or off for the error.
    pub(crate) fn of<T>(result: Result<T, String>) -> Self {
        result.map_or_else(Self::Off, |_| Self::On)
    }
}

/// A feature that went on or off after it was first reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FeatureChange {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether it is on now.
    pub(crate) on: bool,
    /// Why.
    pub(crate) reason: String,
}

impl FeatureChange {
    /// It is off.
    pub(crate) fn off(name: &'static str, reason: String) -> Self {
        Self { name, on: false, reason }
    }
}

/// What went wrong if the way that the code describes does not lead to the books.
const LOST: &str = "the isolate's allocator of array buffers is none of Node's where the code has it, or it could not be \
                    read";

/// One feature, as it was last reported.
#[derive(Debug)]
pub(crate) struct Feature {
    name: &'static str,
    on: bool,
}

impl Feature {
    /// As the target's introduction has it.
    pub(crate) fn new(name: &'static str, state: &FeatureState) -> Self {
        Self { name, on: *state == FeatureState::On }
    }

    /// It is off for `off`, or else on. The change, if it is one.
    pub(crate) fn update(&mut self, off: Option<&str>) -> Option<FeatureChange> {
        let on = off.is_none();
        let is_change = on != self.on;
        self.on = on;
        let reason = off.unwrap_or("it can be read now").to_owned();
        is_change.then_some(FeatureChange { name: self.name, on, reason })
    }
}

/// Whether the books of what isolates hold outside of their heaps can be read. If the binary's code tells where they are,
/// that is believed until a collection shows otherwise.
#[derive(Debug)]
pub(crate) struct External {
    promised: bool,
    reported: Feature,
}

impl External {
    pub(crate) fn new(state: &FeatureState) -> Self {
        Self { promised: *state == FeatureState::On, reported: Feature::new("external", state) }
    }

    /// The change that `collection` shows.
    pub(crate) fn check(&mut self, collection: &Collection) -> Option<FeatureChange> {
        let lost = collection.outside.array_buffers.is_none();
        self.reported.update(lost.then_some(LOST)).filter(|_| self.promised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GcKind, Mono, OutsideHeap};

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
            stack: None,
            outside: OutsideHeap { array_buffers, external: None },
        }
    }

    fn changes(state: &FeatureState, seen: &[Option<u64>]) -> Vec<Option<bool>> {
        let mut external = External::new(state);
        let mut change = |books: &Option<u64>| external.check(&collection(*books)).map(|change| change.on);
        seen.iter().map(&mut change).collect()
    }

    #[test]
    fn only_changes_are_reported_and_only_if_something_was_promised() {
        let seen = [Some(5), None, None, Some(0), Some(1)];
        assert_eq!(changes(&FeatureState::On, &seen), [None, Some(false), None, Some(true), None]);
        assert_eq!(changes(&FeatureState::Off("why".to_owned()), &seen), [None; 5]);
    }
}

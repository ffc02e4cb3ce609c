//! Features that a target turns out to have or not to have later than at the hello: said when that changes.

use crate::{
    model::Collection,
    report::record::{Body, Feature, State, Switch},
};

/// What went wrong if the way that the code describes does not lead to the books.
const LOST: &str = "the isolate's allocator of array buffers is none of Node's where the code has it, or it could not be \
                    read";

/// One feature, as it was told last.
#[derive(Debug)]
pub(crate) struct Told {
    name: &'static str,
    on: bool,
}

impl Told {
    /// A feature that the hello told of.
    pub(crate) fn new(name: &'static str, state: &State) -> Self {
        Self { name, on: *state == State::On }
    }

    /// It is off for `off`, or else on. What there is to say if that is news.
    pub(crate) fn is(&mut self, off: Option<&str>) -> Option<Body> {
        let on = off.is_none();
        let is_news = on != self.on;
        self.on = on;
        let state = if on { Switch::On } else { Switch::Off };
        let [name, reason] = [self.name, off.unwrap_or("it can be read now")].map(str::to_owned);
        is_news.then_some(Body::Feature(Feature { name, state, reason }))
    }
}

/// Whether the books of what isolates hold outside of their heaps can be read. If the binary's code tells where they are,
/// that is believed until a collection shows otherwise.
#[derive(Debug)]
pub(crate) struct External {
    promised: bool,
    told: Told,
}

impl External {
    pub(crate) fn new(state: &State) -> Self {
        Self { promised: *state == State::On, told: Told::new("external", state) }
    }

    /// What there is to say after `collection`.
    pub(crate) fn check(&mut self, collection: &Collection) -> Option<Body> {
        let lost = collection.outside.array_buffers.is_none();
        self.told.is(lost.then_some(LOST)).filter(|_| self.promised)
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

    fn told(state: &State, seen: &[Option<u64>]) -> Vec<Option<Switch>> {
        let mut external = External::new(state);
        let mut say = |array_buffers: &Option<u64>| match external.check(&collection(*array_buffers)) {
            Some(Body::Feature(feature)) => Some(feature.state),
            _ => None,
        };
        seen.iter().map(&mut say).collect()
    }

    #[test]
    fn only_changes_are_told_and_only_if_something_was_promised() {
        let seen = [Some(5), None, None, Some(0), Some(1)];
        assert_eq!(told(&State::On, &seen), [None, Some(Switch::Off), None, Some(Switch::On), None]);
        assert_eq!(told(&State::default(), &seen), [None; 5]);
    }
}

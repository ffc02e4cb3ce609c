//! Features that a target turns out to have or not to have later than at the hello: said when that changes.

use std::sync::Arc;

use super::panicked::Panicked;
use crate::{
    bpf::{attach::AttachError, error::LoadError},
    host::errors::with_causes,
    model::Collection,
    native::{NativeError, direct::Refused},
    plan::{Stripped, Unresolved},
    sample::malloc::Unreadable,
};

/// Whether something of a target can be watched.
#[derive(Clone, Debug)]
pub(crate) enum FeatureState {
    /// It can.
    On,
    /// It cannot, and why.
    Off(FeatureOff),
}

/// Why something of a target cannot be watched, or not any more.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum FeatureOff {
    /// The file that holds V8 has no symbols of what is probed.
    #[error("{path} is stripped, and V8's collections have no symbols in it: run the binary as released")]
    Stripped {
        /// Its name in the process.
        path: String,
    },
    /// The file, or the process, does not say what it takes.
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    /// Nobody wants stacks.
    #[error("not wanted: --stacks off")]
    NotWanted,
    /// The kernel refused the probes that stacks are walked at.
    #[error("{}", with_causes(&**.0))]
    Probes(Arc<AttachError>),
    /// The kernel refused the program that walks stacks.
    #[error("{}", with_causes(&**.0))]
    Walker(Arc<LoadError>),
    /// The kernel refused a map, or what is in it cannot be read.
    #[error(transparent)]
    Map(#[from] Arc<LoadError>),
    /// Stacks were walked by what turned out to be wrong.
    #[error("none of {stacks} stacks had a function that could be read")]
    NoFunctions {
        /// How many were read.
        stacks: u32,
    },
    /// The way that the code describes does not lead to V8's account of what is outside of its heap.
    #[error(
        "the isolate's allocator of array buffers is none of Node's where the code has it, or it could not be read"
    )]
    NoBooks,
    /// The allocator's own account cannot be read.
    #[error(transparent)]
    Allocator(#[from] Arc<Unreadable>),
    /// Nobody follows its blocks.
    #[error(transparent)]
    Native(#[from] Arc<NativeError>),
    /// Nobody follows what it maps itself.
    #[error(transparent)]
    Mappings(#[from] Refused),
    /// Takes of its heap have failed again and again.
    #[error("{why:#}; `memwatch-bpf heap diff --pid {pid}` reads it when asked to")]
    Heap {
        /// The target.
        pid: u32,
        /// What the last one failed of.
        why: Arc<anyhow::Error>,
    },
    /// A defect of ours.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl From<&Stripped> for FeatureOff {
    fn from(stripped: &Stripped) -> Self {
        Self::Stripped { path: stripped.path.clone() }
    }
}

impl FeatureState {
    /// On, or off for the error.
    pub(crate) fn of<T>(result: Result<T, FeatureOff>) -> Self {
        result.map_or_else(Self::Off, |_| Self::On)
    }

    /// Whether it can be watched.
    pub(crate) const fn is_on(&self) -> bool {
        matches!(self, Self::On)
    }
}

/// A feature that went on or off after it was first reported.
#[derive(Clone, Debug)]
pub(crate) struct FeatureChange {
    /// Its name.
    pub(crate) name: &'static str,
    /// Whether it is on now.
    pub(crate) state: FeatureState,
}

impl FeatureChange {
    /// It is off.
    pub(crate) fn off(name: &'static str, why: impl Into<FeatureOff>) -> Self {
        Self { name, state: FeatureState::Off(why.into()) }
    }
}

/// One feature, as it was last reported.
#[derive(Debug)]
pub(crate) struct Feature {
    name: &'static str,
    on: bool,
}

impl Feature {
    /// As the target's introduction has it.
    pub(crate) fn new(name: &'static str, state: &FeatureState) -> Self {
        Self { name, on: state.is_on() }
    }

    /// What it is by now. The change, if it is one.
    pub(crate) fn update(&mut self, state: FeatureState) -> Option<FeatureChange> {
        let is_change = state.is_on() != self.on;
        self.on = state.is_on();
        is_change.then_some(FeatureChange { name: self.name, state })
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
        Self { promised: state.is_on(), reported: Feature::new("external", state) }
    }

    /// The change that `collection` shows.
    pub(crate) fn check(&mut self, collection: &Collection) -> Option<FeatureChange> {
        let books = collection.outside.array_buffers.ok_or(FeatureOff::NoBooks);
        self.reported.update(FeatureState::of(books)).filter(|_| self.promised)
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
        let mut change =
            |books: &Option<u64>| external.check(&collection(*books)).map(|change| change.state.is_on());
        seen.iter().map(&mut change).collect()
    }

    #[test]
    fn only_changes_are_reported_and_only_if_something_was_promised() {
        let seen = [Some(5), None, None, Some(0), Some(1)];
        assert_eq!(changes(&FeatureState::On, &seen), [None, Some(false), None, Some(true), None]);
        assert_eq!(changes(&FeatureState::Off(FeatureOff::NotWanted), &seen), [None; 5]);
    }
}

//! Looks at a target from outside, one at a time: a look at a large process takes tenths of a second, so it is taken beside
//! the loop that takes in events.

use super::features::Told;
use crate::{
    host::clock,
    model::{Mono, ProcessId, Reading, Resident},
    report::record::{Body, State},
    sample::Sampler,
    series::Budget,
    translate,
};

/// A look that is to be taken.
pub(crate) struct Look {
    id: ProcessId,
    sampler: Sampler,
    heaps: Vec<u64>,
}

/// A look that was taken.
pub(crate) struct Looked {
    pub(crate) id: ProcessId,
    sampler: Sampler,
    reading: Reading,
}

impl Look {
    /// Takes it.
    pub(crate) fn take(mut self) -> Looked {
        let reading = self.sampler.read(clock::now(), &self.heaps);
        Looked { id: self.id, sampler: self.sampler, reading }
    }
}

/// What is known of one target by looking at it.
pub(crate) struct Looks {
    id: ProcessId,
    /// Away while a look is being taken.
    sampler: Option<Sampler>,
    /// The last resident set by use, and when it was read: it is not read each time.
    resident: Option<(Mono, Resident)>,
    native: Told,
}

impl Looks {
    pub(crate) fn new(id: ProcessId, sampler: Sampler) -> Self {
        let native = Told::new("native", &native(&sampler));
        Self { id, sampler: Some(sampler), resident: None, native }
    }

    /// The next look, unless one is under way. `heaps` are the addresses of the target's heaps.
    pub(crate) fn next(&mut self, heaps: Vec<u64>) -> Option<Look> {
        let sampler = self.sampler.take()?;
        Some(Look { id: self.id, sampler, heaps })
    }

    /// Takes in a look: its reading, and what there is to say of it. `isolates` are those that are known.
    pub(crate) fn taken(&mut self, looked: Looked, isolates: u64) -> (Reading, Vec<Body>) {
        let Looked { sampler, reading, .. } = looked;
        let off = sampler.no_books().map(ToString::to_string);
        self.resident = reading.resident.map(|resident| (reading.at, resident)).or(self.resident);
        let budget = Budget::of(&reading, self.resident.map(|(_, resident)| resident));
        let age = self.resident.map(|(at, _)| reading.at.since(at));
        let memory = translate::memory(&reading, &budget, age, isolates);
        self.sampler = Some(sampler);
        (reading, self.native.is(off.as_deref()).into_iter().chain([memory]).collect())
    }
}

/// Whether native memory can be told, by the books of the target's allocator.
pub(crate) fn native(sampler: &Sampler) -> State {
    sampler.no_books().map_or(State::On, |why| State::Off(why.to_string()))
}

//! Where the collections of all targets start, counted by isolate.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    attribute::Starts,
    model::{Collection, Frame, Mono},
};

/// How often that is reported of an isolate that goes on.
const EVERY: Duration = Duration::from_secs(10);

/// Of all targets.
#[derive(Default)]
pub(crate) struct Triggers {
    /// By process and the isolate's serial number.
    isolates: BTreeMap<(u32, u32), Isolate>,
}

#[derive(Default)]
struct Isolate {
    counted: Starts,
    /// How many collections there were when it was last reported, and when that was.
    reported: (u64, Mono),
}

impl Triggers {
    /// Takes in a collection that started at `frames`, as of [`crate::attribute::started_in`].
    pub(crate) fn add(&mut self, isolate: (u32, u32), collection: &Collection, frames: Option<&[Frame]>) {
        self.isolates.entry(isolate).or_default().counted.add(collection, frames);
    }

    /// The isolates of `pid` of which more is known at `now` than was reported lately, by serial number.
    pub(crate) fn news(&mut self, pid: u32, now: Mono) -> Vec<(u32, Starts)> {
        let of_process = self.isolates.range_mut((pid, 0)..=(pid, u32::MAX));
        of_process.filter_map(|((_, serial), isolate)| Some((*serial, isolate.news(now)?))).collect()
    }

    /// What was counted of an isolate that is gone; it is forgotten.
    pub(crate) fn take(&mut self, pid: u32, serial: u32) -> Option<Starts> {
        self.isolates.remove(&(pid, serial)).map(|isolate| isolate.counted)
    }

    /// What was counted of all isolates of `pid`; they are forgotten.
    pub(crate) fn take_all(&mut self, pid: u32) -> Vec<(u32, Starts)> {
        let mut of_process = self.isolates.split_off(&(pid, 0));
        self.isolates.extend(of_process.split_off(&(pid, u32::MAX)));
        of_process.into_iter().map(|((_, serial), isolate)| (serial, isolate.counted)).collect()
    }
}

impl Isolate {
    fn news(&mut self, now: Mono) -> Option<Starts> {
        let (reported, when) = self.reported;
        if reported == self.counted.all.n || now.since(when) < EVERY {
            return None;
        }
        self.reported = (self.counted.all.n, now);
        Some(self.counted.clone())
    }
}

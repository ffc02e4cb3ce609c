//! Where the collections of all targets start: said in the record of each, and in one of its own now and then.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    attribute::{self, Starts as Counted},
    model::{Collection, Mono, Stack},
    report::record::{Body, IsolateState, Record},
    translate,
};

/// How often that is said of an isolate that goes on.
const EVERY: Duration = Duration::from_secs(10);

/// Of all targets.
#[derive(Default)]
pub(crate) struct Starts {
    /// By process and the isolate's serial number.
    isolates: BTreeMap<(u32, u32), Isolate>,
}

#[derive(Default)]
struct Isolate {
    counted: Counted,
    /// How many collections there were when it was last said, and when that was.
    told: (u64, Mono),
}

impl Starts {
    /// Takes in a collection of `pid` that began on `stack`, with the records of it.
    pub(crate) fn collection(
        &mut self,
        pid: u32,
        collection: &Collection,
        stack: Option<&Stack>,
        records: &mut [Record],
    ) {
        let frames = stack.and_then(attribute::started_in);
        for record in records {
            if let Body::Gc(gc) = &mut record.body {
                self.isolates
                    .entry((pid, gc.isolate))
                    .or_default()
                    .counted
                    .add(collection, frames.as_deref());
                gc.started_in = frames.clone().map(translate::frames);
            }
        }
    }

    /// What there is to say of `pid` at `now`, as not all of it was said lately.
    pub(crate) fn news(&mut self, pid: u32, now: Mono) -> Vec<Body> {
        let of_process = self.isolates.range_mut((pid, 0)..=(pid, u32::MAX));
        of_process.filter_map(|((_, serial), isolate)| isolate.news(*serial, now)).collect()
    }

    /// What there is to say of isolates of `pid` that are gone by `records`; they are forgotten.
    pub(crate) fn of_gone(&mut self, pid: u32, records: &[Record]) -> Vec<Body> {
        let gone = records.iter().filter_map(|record| match &record.body {
            Body::Isolate(isolate) if isolate.state == IsolateState::Gone => Some(isolate.isolate),
            _ => None,
        });
        gone.filter_map(|serial| Some(self.isolates.remove(&(pid, serial))?.tell(serial))).collect()
    }

    /// What there is to say at last of all isolates of `pid`; they are forgotten.
    pub(crate) fn last(&mut self, pid: u32) -> Vec<Body> {
        let mut of_process = self.isolates.split_off(&(pid, 0));
        self.isolates.extend(of_process.split_off(&(pid, u32::MAX)));
        of_process.into_iter().map(|((_, serial), isolate)| isolate.tell(serial)).collect()
    }
}

impl Isolate {
    fn news(&mut self, serial: u32, now: Mono) -> Option<Body> {
        let (told, when) = self.told;
        if told == self.counted.all.n || now.since(when) < EVERY {
            return None;
        }
        self.told = (self.counted.all.n, now);
        Some(self.tell(serial))
    }

    fn tell(&self, serial: u32) -> Body {
        translate::starts(serial, &self.counted)
    }
}

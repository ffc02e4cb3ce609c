//! From what the engine yields to the records that say it: one function a record, nothing decided here. Records are made
//! once; nobody searches or changes them afterwards.

mod budget;
mod bye;
mod collection;
mod hello;
mod holder;
mod memory;
mod place;
mod stamp;
mod verdict;

pub(crate) use self::bye::Farewell;
use self::stamp::Stamp;
use crate::{
    engine::{
        End, FeatureChange, FeatureState,
        outcome::{Loss, Outcome, ScrapeOutcome, What},
    },
    heap::graph::Reachable,
    host::{
        clock::WallClock,
        exit::{Ended, signal_name},
    },
    report::record::{self, Body, IsolateState, Record, Switch},
};

/// Makes records of outcomes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Translator {
    /// The calendar by which records are dated.
    pub(crate) clock: WallClock,
    /// What targets may be charged, percent of one CPU.
    pub(crate) budget_pct: f64,
}

impl Translator {
    /// The records that say it, in the order in which they are to be read.
    pub(crate) fn records(&self, outcome: Outcome) -> Vec<Record> {
        let Outcome { subject, at, what } = outcome;
        let stamp = Stamp::new(subject, self.clock);
        let bodies = self.bodies(&stamp, what);
        bodies.into_iter().map(|body| stamp.record(at, body)).collect()
    }

    fn bodies(&self, stamp: &Stamp, what: What) -> Vec<Body> {
        match what {
            What::Adopted(introduction) => hello::hello(*introduction),
            What::Feature(change) => vec![feature(change)],
            What::IsolateBorn(isolate) => vec![collection::isolate(isolate, IsolateState::Born)],
            What::IsolateGone(end) => collection::isolate_gone(stamp, *end),
            What::Collection(outcome) => collection::outcome(stamp, *outcome),
            What::Scrape(outcome) => scrape(stamp, *outcome),
            What::Take(isolate, reachable) => vec![Body::Heap(heap(isolate, reachable))],
            What::LastVerdicts(last) => verdict::last(stamp, last),
            What::Triggers(isolate, triggers) => vec![collection::triggers(isolate, &triggers)],
            What::NativeDecision(decision) => vec![budget::decision(decision, self.budget_pct)],
            What::Rest(rest) => vec![budget::rest(&rest, self.budget_pct)],
            What::Losses(loss) => vec![losses(loss)],
            What::Ended(how) => vec![Body::End(end(how))],
        }
    }
}

fn feature(change: FeatureChange) -> Body {
    let (state, reason) = match change.state {
        FeatureState::On => (Switch::On, "it can be read now".to_owned()),
        FeatureState::Off(why) => (Switch::Off, why.to_string()),
    };
    Body::Feature(record::Feature { name: change.name.to_owned(), state, reason })
}

fn scrape(stamp: &Stamp, outcome: ScrapeOutcome) -> Vec<Body> {
    let memory = memory::memory(&outcome.reading, &outcome.budget, outcome.budget_age, outcome.isolates);
    let verdicts = verdict::verdicts(stamp, outcome.verdicts);
    outcome.native.map(feature).into_iter().chain([memory]).chain(verdicts).collect()
}

fn heap(isolate: u32, reachable: Reachable) -> record::Heap {
    let Reachable { objects, bytes, external, .. } = reachable;
    let (reachable_objects, reachable_bytes, external_bytes) = (objects, bytes, external);
    record::Heap { isolate, reachable_objects, reachable_bytes, external_bytes }
}

fn losses(loss: Loss) -> Body {
    let Loss { lost, malformed, unmatched, mended, reasons } = loss;
    // Nothing is left out on purpose; the field is part of the contract.
    Body::Loss(record::Loss { lost, sampled_out: 0, malformed, unmatched, mended, reasons })
}

fn end(how: End) -> record::End {
    match how {
        End::Ended(Ended::Exit(code)) => record::End::Exit { code },
        End::Ended(Ended::Signal(signal)) => {
            record::End::Signal { signal, name: signal_name(signal).into_owned() }
        }
        End::OomKill { scope } => record::End::OomKill { scope: scope.map(str::to_owned) },
        End::V8OutOfMemory { isolate, location } => record::End::V8OutOfMemory { isolate, location },
        End::Exec => record::End::Exec,
        End::Unknown => record::End::Unknown,
    }
}

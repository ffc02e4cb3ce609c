//! The probes on allocations in one file: they come and go as the budget allows.

use std::{collections::BTreeMap, sync::Arc, thread};

use super::{
    job::{AttachJob, Order},
    pace::{Pace, Rest, Turn},
};
use crate::{
    bpf::attach::{Attachment, Binary, Scope, detach_all},
    engine::cost::Charge,
    host::clock,
    model::Mono,
    plan::ProbeSite,
};

/// The probes on allocations in one file.
pub(crate) struct Sampling {
    number: u32,
    scope: Scope,
    binary: Arc<Binary>,
    sites: Vec<ProbeSite>,
    probes: Probes,
    /// Where what was sampled is made, if that is followed: the probes go and come with the others.
    made_sites: Vec<ProbeSite>,
    made: Option<Attachment>,
    pace: Pace,
}

/// Where its probes are.
enum Probes {
    /// They are being attached.
    Coming(Order),
    Live(Attachment),
    /// They rest, or were refused.
    Away,
}

/// What is due.
pub(crate) enum Due {
    /// Nothing.
    Nothing,
    /// A rest that has begun.
    Rest(Rest),
    /// The probes are to come again.
    Attach(AttachJob),
}

impl Sampling {
    /// At the sites of the job `first`, which brings them. `budget`: the share of one CPU that each process may be charged.
    pub(super) fn new(first: &AttachJob, sites: Vec<ProbeSite>, budget: f64) -> Self {
        let AttachJob { order, number, scope, .. } = *first;
        let binary = Arc::clone(&first.binary);
        Self {
            number,
            scope,
            binary,
            sites,
            probes: Probes::Coming(order),
            made_sites: Vec::new(),
            made: None,
            pace: Pace::new(budget, clock::now()),
        }
    }

    /// What is due. `charges`: of each process that the file serves; `order` is what the next job has.
    pub(super) fn turn(&mut self, now: Mono, charges: &BTreeMap<u32, Charge>, order: Order) -> Due {
        match self.pace.turn(now, charges) {
            Turn::Stay => Due::Nothing,
            Turn::Rest(rest) => {
                self.rest();
                Due::Rest(rest)
            }
            Turn::Resume => {
                self.probes = Probes::Coming(order);
                Due::Attach(self.job(order))
            }
        }
    }

    /// Takes the probes away, in a thread of its own because the kernel takes its time.
    fn rest(&mut self) {
        if let Probes::Live(live) = std::mem::replace(&mut self.probes, Probes::Away) {
            let all: Vec<_> = self.made.take().into_iter().chain([live]).collect();
            thread::spawn(move || detach_all(all));
        }
    }

    /// What is sampled is followed from now on, by probes at these places. They go at once where the others rest.
    pub(super) fn follow(&mut self, made: Option<Attachment>, sites: Vec<ProbeSite>) {
        self.made_sites = sites;
        match (&self.probes, made) {
            (Probes::Live(_), made) => self.made = made,
            (Probes::Coming(_) | Probes::Away, made) => drop(thread::spawn(move || detach_all(made))),
        }
    }

    fn job(&self, order: Order) -> AttachJob {
        let Self { number, scope, ref binary, ref sites, ref made_sites, .. } = *self;
        let (binary, sites) = (Arc::clone(binary), [&sites[..], made_sites].concat());
        AttachJob { order, number, binary, scope, sites, samplers: None, looks: false }
    }

    /// Whether it waits for the answer to `order`.
    pub(super) fn awaits(&self, order: Order) -> bool {
        matches!(self.probes, Probes::Coming(awaited) if awaited == order)
    }

    /// They came, or were refused.
    pub(super) fn came(&mut self, probes: Option<Attachment>) {
        self.probes = probes.map_or(Probes::Away, Probes::Live);
    }

    /// The probes that are live.
    pub(super) fn into_live(self) -> impl Iterator<Item = Attachment> {
        let live = match self.probes {
            Probes::Live(live) => Some(live),
            Probes::Coming(_) | Probes::Away => None,
        };
        self.made.into_iter().chain(live)
    }
}

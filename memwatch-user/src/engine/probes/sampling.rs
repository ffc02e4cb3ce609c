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
            thread::spawn(move || detach_all([live]));
        }
    }

    fn job(&self, order: Order) -> AttachJob {
        let Self { number, scope, ref binary, ref sites, .. } = *self;
        let binary = Arc::clone(binary);
        AttachJob { order, number, binary, scope, sites: sites.clone(), samplers: None }
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
    pub(super) fn into_live(self) -> Option<Attachment> {
        match self.probes {
            Probes::Live(live) => Some(live),
            Probes::Coming(_) | Probes::Away => None,
        }
    }
}

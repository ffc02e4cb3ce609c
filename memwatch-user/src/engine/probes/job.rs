//! Probes that are to be attached: it takes the kernel tenths of a second, so it is done beside the loop that takes in events.

use std::sync::Arc;

use crate::{
    bpf::{
        attach::{AttachError, Attachment, Binary, Place, Scope},
        load::Programs,
    },
    plan::ProbeSite,
};

/// What was asked for: each job has another, so that an answer that nobody waits for any more is told from those to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order(pub(super) u64);

/// Probes that are to be attached to one binary.
#[derive(Clone)]
pub(crate) struct AttachJob {
    pub(crate) order: Order,
    pub(super) number: u32,
    pub(super) binary: Arc<Binary>,
    pub(super) scope: Scope,
    pub(super) sites: Vec<ProbeSite>,
    /// Probes on allocations, if they are wanted beside.
    pub(super) samplers: Option<Vec<ProbeSite>>,
    /// Whether its probes go on with the program that looks at objects.
    pub(super) looks: bool,
}

/// Probes that are live.
pub(crate) struct Attached {
    pub(super) probes: Attachment,
    /// Those on allocations. Collections are worth watching without them.
    pub(super) samplers: Option<Result<Attachment, AttachError>>,
}

impl AttachJob {
    /// Attaches them, in the order of the plan.
    pub(crate) fn run(&self, programs: &mut Programs) -> Result<Attached, AttachError> {
        if self.looks {
            programs.load_looker()?;
        }
        let probes = self.attach(programs, &self.sites)?;
        let samplers = self.samplers.as_ref().map(|sites| self.attach(programs, sites));
        Ok(Attached { probes, samplers })
    }

    fn attach(&self, programs: &mut Programs, sites: &[ProbeSite]) -> Result<Attachment, AttachError> {
        let places: Vec<Place<'_>> = sites.iter().map(Place::from).collect();
        programs.attach(self.number, &self.binary, self.scope, &places)
    }
}

impl Attached {
    pub(super) fn all(self) -> impl Iterator<Item = Attachment> {
        [Some(self.probes), self.samplers.and_then(Result::ok)].into_iter().flatten()
    }
}

//! The probes by which objects are followed that processes of one file make. They come when all others are live, and stay: an
//! object that one collection was not seen to keep is lost.

use memwatch_common::survivors::PageLayout;

use super::{
    NoProbes,
    job::{AttachJob, Attached, Order},
};
use crate::{
    bpf::attach::Attachment,
    plan::{ProbeSite, SurvivorPlan},
};

/// These probes.
pub(crate) struct Following {
    layout: PageLayout,
    looks: Vec<ProbeSite>,
    made: Vec<ProbeSite>,
    probes: Probes,
}

/// Where they are.
enum Probes {
    /// They were not asked for yet.
    Wanted,
    /// They are being attached.
    Coming(Order),
    Live(Attachment),
    /// They were refused.
    Away,
}

impl Following {
    pub(super) fn by(plan: &SurvivorPlan) -> Self {
        let (looks, made) = (plan.looks.clone(), plan.made.clone());
        Self { layout: plan.layout(), looks, made, probes: Probes::Wanted }
    }

    /// What brings them, if they were not asked for yet. `first`: the job that brought the first probes of the file.
    pub(super) fn job(&mut self, first: &AttachJob, order: Order) -> Option<AttachJob> {
        if !matches!(self.probes, Probes::Wanted) {
            return None;
        }
        self.probes = Probes::Coming(order);
        let (sites, samplers) = (self.looks.clone(), Some(self.made.clone()));
        Some(AttachJob { order, sites, samplers, looks: true, ..first.clone() })
    }

    /// Whether it waits for the answer to `order`.
    pub(super) fn awaits(&self, order: Order) -> bool {
        matches!(self.probes, Probes::Coming(awaited) if awaited == order)
    }

    /// They came, or were refused. Those where objects are made, with their places.
    pub(super) fn came(
        &mut self,
        attached: Result<Attached, NoProbes>,
    ) -> Result<(Option<Attachment>, Vec<ProbeSite>), NoProbes> {
        self.probes = Probes::Away;
        let Attached { probes, samplers } = attached?;
        let made = samplers.transpose()?;
        self.probes = Probes::Live(probes);
        Ok((made, self.made.clone()))
    }

    /// How pages are laid out, once all probes are live.
    pub(super) fn layout(&self) -> Option<PageLayout> {
        matches!(self.probes, Probes::Live(_)).then_some(self.layout)
    }

    /// The probes that are live.
    pub(super) fn into_live(self) -> Option<Attachment> {
        match self.probes {
            Probes::Live(live) => Some(live),
            Probes::Wanted | Probes::Coming(_) | Probes::Away => None,
        }
    }
}

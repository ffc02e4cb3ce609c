//! The probes on allocations in one file: they come and go as the budget allows.

use std::{collections::BTreeMap, fs::File, os::fd::AsRawFd, path::PathBuf, thread};

use super::pace::{Pace, Rest, Turn};
use crate::{
    bpf::{
        attach::{AttachError, Attachment, Place, Scope, detach_all},
        load::Kernel,
    },
    engine::cost::Charge,
    host::clock,
    model::Mono,
    plan::ProbeSite,
    target::Image,
};

/// The probes on allocations in one file.
pub(crate) struct Sampling {
    number: u32,
    scope: Scope,
    /// Held open: names lead elsewhere by the time probes come again.
    file: File,
    sites: Vec<ProbeSite>,
    live: Option<Attachment>,
    pace: Pace,
}

impl Sampling {
    /// Attaches to `sites` of `image`. `budget`: the share of one CPU that each process may be charged.
    pub(crate) fn start(
        kernel: &mut Kernel,
        number: u32,
        scope: Scope,
        image: &Image,
        sites: Vec<ProbeSite>,
        budget: f64,
    ) -> Result<Self, AttachError> {
        let file = image
            .elf
            .descriptor()
            .map_err(|source| AttachError::File { file: image.path.clone(), source })?;
        let pace = Pace::new(budget, clock::now());
        let mut sampling = Self { number, scope, file, sites, live: None, pace };
        sampling.attach(kernel)?;
        Ok(sampling)
    }

    /// Does what is due. `charges`: of each process that the file serves. A rest that has begun.
    pub(crate) fn turn(
        &mut self,
        kernel: &mut Kernel,
        now: Mono,
        charges: &BTreeMap<u32, Charge>,
    ) -> Option<Rest> {
        match self.pace.turn(now, charges) {
            Turn::Stay => None,
            Turn::Rest(rest) => {
                // In a thread of its own because the kernel takes its time.
                if let Some(live) = self.live.take() {
                    thread::spawn(move || detach_all([live]));
                }
                Some(rest)
            }
            Turn::Resume => {
                if let Err(error) = self.attach(kernel) {
                    log::warn!("what JavaScript allocates is not sampled any more: {error}");
                }
                None
            }
        }
    }

    /// The probes that are live.
    pub(crate) fn into_live(self) -> Option<Attachment> {
        self.live
    }

    fn attach(&mut self, kernel: &mut Kernel) -> Result<(), AttachError> {
        let places: Vec<Place<'_>> = self.sites.iter().map(Place::from).collect();
        let path = PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        self.live = Some(kernel.attach(self.number, &path, self.scope, &places)?);
        Ok(())
    }
}

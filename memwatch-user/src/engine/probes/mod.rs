//! Which binaries have live probes, and for whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    thread,
};

use memwatch_common::names::{MAX_ATTACHMENTS, probe};

pub(crate) mod pace;
pub(crate) mod sampling;

use self::{pace::Rest, sampling::Sampling};
use crate::{
    bpf::{
        attach::{AttachError, Attachment, Place, Scope, detach_all},
        load::Kernel,
    },
    engine::cost::Charge,
    model::Mono,
    plan::Plan,
    target::{FileKey, Image},
};

/// Programs that sample what JavaScript allocates.
const SAMPLERS: [&str; 2] = [probe::ALLOC_SLOW, probe::ALLOC_LARGE];

/// Why a binary got no probes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoProbes {
    /// The kernel side.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// There is a limit.
    #[error("more than {MAX_ATTACHMENTS} different Node binaries at once: watch fewer with --name or --pid")]
    TooMany,
}

/// The live attachments.
pub(crate) struct Attachments {
    /// Whether probes carry cookies, so that one attachment serves every process of a file.
    cookies: bool,
    /// Whether what JavaScript allocates is sampled, and which share of one CPU that may cost each process.
    stacks: Option<f64>,
    live: BTreeMap<Key, Live>,
    last_number: u32,
}

/// What one attachment serves: a file, or (without cookies) one process's use of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    file: FileKey,
    process: Option<NonZeroU32>,
}

struct Live {
    attachment: Attachment,
    sampling: Option<Sampling>,
    /// Why there is no sampling although it was wanted.
    refused: Option<String>,
    users: BTreeSet<u32>,
}

impl Live {
    fn probes(self) -> impl Iterator<Item = Attachment> {
        [Some(self.attachment), self.sampling.and_then(Sampling::into_live)].into_iter().flatten()
    }
}

impl Attachments {
    pub(crate) fn new(cookies: bool, stacks: Option<f64>) -> Self {
        Self { cookies, stacks, live: BTreeMap::new(), last_number: 0 }
    }

    /// Sees to it that `pid` is served, and returns the number of the attachment that does. `plan` must have been checked
    /// against `image`: probes go to the very file that is open there.
    pub(crate) fn serve(
        &mut self,
        kernel: &mut Kernel,
        pid: u32,
        image: &Image,
        plan: &Plan,
    ) -> Result<u32, NoProbes> {
        let key = Key { file: image.key, process: if self.cookies { None } else { NonZeroU32::new(pid) } };
        if let Some(live) = self.live.get_mut(&key) {
            live.users.insert(pid);
            return Ok(live.attachment.number);
        }
        let mut live = self.attach(kernel, key, image, plan)?;
        let number = live.attachment.number;
        live.users.insert(pid);
        self.live.insert(key, live);
        Ok(number)
    }

    /// Why what JavaScript allocates cannot be sampled in `pid`, where probes on that were refused.
    pub(crate) fn refused(&self, pid: u32) -> Option<&str> {
        self.live.values().find(|live| live.users.contains(&pid))?.refused.as_deref()
    }

    /// Attaches to a file that nobody runs yet; the first who is served by it takes it over. Needs cookies.
    pub(crate) fn prepare(
        &mut self,
        kernel: &mut Kernel,
        image: &Image,
        plan: &Plan,
    ) -> Result<(), NoProbes> {
        let key = Key { file: image.key, process: None };
        let live = self.attach(kernel, key, image, plan)?;
        self.live.insert(key, live);
        Ok(())
    }

    /// `pid` needs no probes any more. What nobody needs is detached, in a thread of its own because the kernel takes
    /// its time.
    pub(crate) fn release(&mut self, pid: u32) {
        let unused: Vec<Key> = self
            .live
            .iter_mut()
            .filter_map(|(key, live)| (live.users.remove(&pid) && live.users.is_empty()).then_some(*key))
            .collect();
        for live in unused.iter().filter_map(|key| self.live.remove(key)) {
            thread::spawn(move || detach_all(live.probes()));
        }
    }

    /// Lets probes on allocations rest where they cost too much, and brings them back. `charges`: of each process, for
    /// them. Rests that have begun, with whom they concern.
    pub(crate) fn pace(
        &mut self,
        kernel: &mut Kernel,
        now: Mono,
        charges: &BTreeMap<u32, Charge>,
    ) -> Vec<(u32, Rest)> {
        let mut rests = Vec::new();
        for Live { sampling, users, .. } in self.live.values_mut() {
            let Some(sampling) = sampling else { continue };
            let of_users = users.iter().filter_map(|pid| Some((*pid, *charges.get(pid)?))).collect();
            if let Some(rest) = sampling.turn(kernel, now, &of_users) {
                rests.extend(of_users.keys().map(|pid| (*pid, rest)));
            }
        }
        rests
    }

    /// What JavaScript allocates is not sampled any more, in any process.
    pub(crate) fn end_sampling(&mut self) {
        self.stacks = None;
        let ended: Vec<Attachment> =
            self.live.values_mut().filter_map(|live| live.sampling.take()?.into_live()).collect();
        thread::spawn(move || detach_all(ended));
    }

    /// Detaches everything.
    pub(crate) fn detach(self) {
        detach_all(self.live.into_values().flat_map(Live::probes));
    }

    fn attach(
        &mut self,
        kernel: &mut Kernel,
        key: Key,
        image: &Image,
        plan: &Plan,
    ) -> Result<Live, NoProbes> {
        let number = self.free_number().ok_or(NoProbes::TooMany)?;
        kernel.set_heap_layout(number, plan.heap_layout()).map_err(AttachError::from)?;
        let scope = key.process.map_or(Scope::File, Scope::Process);
        let (samplers, others): (Vec<_>, Vec<_>) =
            plan.probes.iter().cloned().partition(|site| SAMPLERS.contains(&site.program.as_str()));
        let places: Vec<Place<'_>> = others.iter().map(Place::from).collect();
        let attachment = kernel.attach(number, &image.elf.descriptor_path(), scope, &places)?;
        let budget = self.stacks.filter(|_| plan.stacks.is_ok());
        let sampling = budget.map(|budget| Sampling::start(kernel, number, scope, image, samplers, budget));
        // Collections are worth watching without stacks.
        let (sampling, refused) = match sampling.transpose() {
            Ok(sampling) => (sampling, None),
            Err(error) => (None, Some(format!("{:#}", anyhow::Error::from(error)))),
        };
        Ok(Live { attachment, sampling, refused, users: BTreeSet::new() })
    }

    /// 0 means that nobody has claimed the process. In turn, so that a number is not used again while the kernel still
    /// detaches the probes that had it.
    fn free_number(&mut self) -> Option<u32> {
        let taken: BTreeSet<u32> = self.live.values().map(|live| live.attachment.number).collect();
        let in_turn = (self.last_number + 1..MAX_ATTACHMENTS).chain(1..=self.last_number);
        self.last_number = in_turn.into_iter().find(|number| !taken.contains(number))?;
        Some(self.last_number)
    }
}

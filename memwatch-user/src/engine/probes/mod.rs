//! Which binaries have live probes, and for whom.
//!
//! Who is to be served asks for it. Where the binary has no probes yet there is a job for the thread that attaches, and the answer
//! comes later: until then its number is taken, and whoever else runs it waits for the same answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    sync::Arc,
    thread,
};

use memwatch_common::{
    names::{MAX_ATTACHMENTS, probe},
    survivors::PageLayout,
};

pub(crate) mod following;
pub(crate) mod job;
pub(crate) mod pace;
pub(crate) mod sampling;

use self::{
    following::Following,
    job::{AttachJob, Attached, Order},
    pace::Rest,
    sampling::{Due, Sampling},
};
use super::panicked::Panicked;
use crate::{
    bpf::{
        attach::{AttachError, Attachment, Binary, Scope, detach_all},
        error::LoadError,
        targets::TargetMaps,
    },
    engine::{cost::Charge, features::FeatureOff},
    model::Mono,
    plan::{Plan, ProbeSite},
    target::{FileKey, Image},
};

/// Programs that sample what JavaScript allocates.
const SAMPLERS: [&str; 2] = [probe::ALLOC_SLOW, probe::ALLOC_LARGE];

/// Why a binary got no probes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoProbes {
    /// The kernel refused them.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The kernel refused what they have to know.
    #[error(transparent)]
    Map(#[from] LoadError),
    /// There is a limit.
    #[error("more than {MAX_ATTACHMENTS} different Node binaries at once: watch fewer with --name or --pid")]
    TooMany,
    /// A defect of ours.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// The attachments, live or on their way.
pub(crate) struct Attachments {
    /// Whether probes carry cookies, so that one attachment serves every process of a file.
    cookies: bool,
    /// Whether what JavaScript allocates is sampled, and which share of one CPU that may cost each process.
    stacks: Option<f64>,
    served: BTreeMap<Key, Served>,
    last_number: u32,
    orders: u64,
}

/// What one attachment serves: a file, or (without cookies) one process's use of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    file: FileKey,
    process: Option<NonZeroU32>,
}

struct Served {
    number: u32,
    probes: Probes,
    sampling: Option<Sampling>,
    /// What is sampled is followed until it dies.
    following: Option<Following>,
    /// The job that brought its first probes.
    first: AttachJob,
    /// Why there is no sampling although it was wanted.
    refused: Option<FeatureOff>,
    users: BTreeSet<u32>,
}

enum Probes {
    /// They are being attached.
    Coming(Order),
    Live(Attachment),
}

/// Whether a process is served.
pub(crate) enum Service {
    /// It is, by the attachment of that number.
    Live(u32),
    /// Its probes are on their way; the job that brings them, if that is new.
    Coming(Option<AttachJob>),
}

/// What was waited for.
pub(crate) enum Arrival {
    /// The first probes of a binary: who waits for them, and their number or why there are none.
    First(BTreeSet<u32>, Result<u32, Arc<NoProbes>>),
    /// The probes on allocations have come back, or nobody waits any more.
    Nothing,
}

impl Served {
    fn live(self) -> impl Iterator<Item = Attachment> {
        let live = match self.probes {
            Probes::Live(live) => Some(live),
            Probes::Coming(_) => None,
        };
        let sampling = self.sampling.into_iter().flat_map(Sampling::into_live);
        live.into_iter().chain(sampling).chain(self.following.and_then(Following::into_live))
    }

    fn awaits(&self, order: Order) -> bool {
        matches!(self.probes, Probes::Coming(awaited) if awaited == order)
    }

    fn follows_by(&self, order: Order) -> bool {
        self.following.as_ref().is_some_and(|following| following.awaits(order))
    }

    /// The probes by which objects are followed have come, or were refused.
    fn followed(&mut self, attached: Result<Attached, NoProbes>) {
        let Some(following) = &mut self.following else { return };
        match following.came(attached) {
            Ok((made, sites)) => match &mut self.sampling {
                Some(sampling) => sampling.follow(made, sites),
                None => detach(made),
            },
            Err(error) => log::warn!("what stays of what JavaScript allocates is not known: {error}"),
        }
    }

    /// Its first probes have come.
    fn came(&mut self, Attached { probes, samplers }: Attached) {
        self.probes = Probes::Live(probes);
        match (samplers.transpose(), &mut self.sampling) {
            (Ok(samplers), Some(sampling)) => sampling.came(samplers),
            (Ok(_), None) => {}
            (Err(error), _) => {
                self.sampling = None;
                self.following = None;
                self.refused = Some(FeatureOff::Probes(Arc::new(error)));
            }
        }
    }
}

impl Attachments {
    pub(crate) fn new(cookies: bool, stacks: Option<f64>) -> Self {
        Self { cookies, stacks, served: BTreeMap::new(), last_number: 0, orders: 0 }
    }

    /// Sees to it that `pid` is served. `plan` must have been checked against `image`: probes go to the very file that is open
    /// there.
    pub(crate) fn serve(
        &mut self,
        maps: &mut TargetMaps,
        pid: u32,
        image: &Image,
        plan: &Plan,
    ) -> Result<Service, NoProbes> {
        let key = Key { file: image.key, process: if self.cookies { None } else { NonZeroU32::new(pid) } };
        if let Some(served) = self.served.get_mut(&key) {
            served.users.insert(pid);
            return Ok(match served.probes {
                Probes::Live(_) => Service::Live(served.number),
                Probes::Coming(_) => Service::Coming(None),
            });
        }
        self.attach(maps, key, image, plan, BTreeSet::from([pid])).map(|job| Service::Coming(Some(job)))
    }

    /// Why what JavaScript allocates cannot be sampled in `pid`, where probes on that were refused.
    pub(crate) fn refused(&self, pid: u32) -> Option<&FeatureOff> {
        self.served.values().find(|served| served.users.contains(&pid))?.refused.as_ref()
    }

    /// Attaches to a file that nobody runs yet; the first who is served by it takes it over. Needs cookies.
    pub(crate) fn prepare(
        &mut self,
        maps: &mut TargetMaps,
        image: &Image,
        plan: &Plan,
    ) -> Result<AttachJob, NoProbes> {
        self.attach(maps, Key { file: image.key, process: None }, image, plan, BTreeSet::new())
    }

    /// Whether probes are on their way to a file that nobody runs yet.
    pub(crate) fn are_prepared(&self) -> bool {
        let is_coming = |served: &Served| matches!(served.probes, Probes::Coming(_));
        self.served.values().any(|served| served.users.is_empty() && is_coming(served))
    }

    /// Probes were attached, or refused. What nobody waits for any more goes again.
    pub(crate) fn attached(
        &mut self,
        order: Order,
        attached: Result<Result<Attached, AttachError>, Panicked>,
    ) -> Arrival {
        let attached = attached.map_err(NoProbes::from).and_then(|attached| Ok(attached?));
        let awaited = self.served.iter().find(|(_, served)| served.awaits(order)).map(|(key, _)| *key);
        if let Some(key) = awaited {
            return self.first(key, attached);
        }
        if let Some(served) = self.served.values_mut().find(|served| served.follows_by(order)) {
            served.followed(attached);
            return Arrival::Nothing;
        }
        let mut samplings = self.served.values_mut().filter_map(|served| served.sampling.as_mut());
        match (samplings.find(|sampling| sampling.awaits(order)), attached) {
            (Some(sampling), Ok(attached)) => sampling.came(Some(attached.probes)),
            (Some(sampling), Err(error)) => {
                log::warn!("what JavaScript allocates is not sampled any more: {error}");
                sampling.came(None);
            }
            (None, attached) => detach(attached.into_iter().flat_map(Attached::all)),
        }
        Arrival::Nothing
    }

    fn first(&mut self, key: Key, attached: Result<Attached, NoProbes>) -> Arrival {
        match (attached, self.served.get_mut(&key)) {
            (Ok(attached), Some(served)) => {
                served.came(attached);
                Arrival::First(served.users.clone(), Ok(served.number))
            }
            (Ok(_), None) => Arrival::Nothing,
            (Err(error), _) => {
                let users = self.served.remove(&key).map(|served| served.users).unwrap_or_default();
                Arrival::First(users, Err(Arc::new(error)))
            }
        }
    }

    /// What brings the probes by which objects are followed, where all others are live.
    pub(crate) fn follow(&mut self) -> Vec<AttachJob> {
        let live = self.served.values_mut().filter(|served| matches!(served.probes, Probes::Live(_)));
        let mut jobs = Vec::new();
        for served in live {
            self.orders += 1;
            let following = served.following.as_mut();
            jobs.extend(following.and_then(|following| following.job(&served.first, Order(self.orders))));
        }
        jobs
    }

    /// How the pages of `pid` are laid out, if what it makes can be followed by now.
    pub(crate) fn pages(&self, pid: u32) -> Option<PageLayout> {
        self.served.values().find(|served| served.users.contains(&pid))?.following.as_ref()?.layout()
    }

    /// `pid` needs no probes any more. What nobody needs is detached.
    pub(crate) fn release(&mut self, pid: u32) {
        let is_unused = |served: &mut Served| served.users.remove(&pid) && served.users.is_empty();
        let unused = self.served.iter_mut().filter_map(|(key, served)| is_unused(served).then_some(*key));
        let unused: Vec<Key> = unused.collect();
        detach(unused.iter().filter_map(|key| self.served.remove(key)).flat_map(Served::live));
    }

    /// Lets probes on allocations rest where they cost too much, and brings them back. `charges`: of each process, for
    /// them. Rests that have begun, with whom they concern, and what is to be attached.
    pub(crate) fn pace(
        &mut self,
        now: Mono,
        charges: &BTreeMap<u32, Charge>,
    ) -> (Vec<(u32, Rest)>, Vec<AttachJob>) {
        let (mut rests, mut jobs) = (Vec::new(), Vec::new());
        for Served { sampling, users, .. } in self.served.values_mut() {
            let Some(sampling) = sampling else { continue };
            let of_users = users.iter().filter_map(|pid| Some((*pid, *charges.get(pid)?))).collect();
            self.orders += 1;
            match sampling.turn(now, &of_users, Order(self.orders)) {
                Due::Nothing => {}
                Due::Rest(rest) => rests.extend(of_users.keys().map(|pid| (*pid, rest))),
                Due::Attach(job) => jobs.push(job),
            }
        }
        (rests, jobs)
    }

    /// What JavaScript allocates is not sampled any more, in any process.
    pub(crate) fn end_sampling(&mut self) {
        self.stacks = None;
        for served in self.served.values_mut() {
            let sampling = served.sampling.take().into_iter().flat_map(Sampling::into_live);
            detach(sampling.chain(served.following.take().and_then(Following::into_live)));
        }
    }

    /// Detaches everything.
    pub(crate) fn detach(self) {
        detach_all(self.served.into_values().flat_map(Served::live));
    }

    /// What brings the first probes of a binary. Its layout is there before they are: they read it.
    fn attach(
        &mut self,
        maps: &mut TargetMaps,
        key: Key,
        image: &Image,
        plan: &Plan,
        users: BTreeSet<u32>,
    ) -> Result<AttachJob, NoProbes> {
        let number = self.free_number().ok_or(NoProbes::TooMany)?;
        maps.set_heap_layout(number, plan.heap_layout())?;
        self.orders += 1;
        let (samplers, sites): (Vec<ProbeSite>, Vec<ProbeSite>) =
            plan.probes.iter().cloned().partition(|site| SAMPLERS.contains(&site.program.as_str()));
        let budget = self.stacks.filter(|_| plan.stacks.is_ok());
        let job = AttachJob {
            order: Order(self.orders),
            number,
            binary: Arc::new(Binary::of(image)?),
            scope: key.process.map_or(Scope::File, Scope::Process),
            sites,
            samplers: budget.map(|_| samplers.clone()),
            looks: false,
        };
        let following = budget.and(plan.survivors.as_ref().ok()).map(Following::by);
        let sampling = budget.map(|budget| Sampling::new(&job, samplers, budget));
        self.served.insert(
            key,
            Served {
                number,
                probes: Probes::Coming(job.order),
                sampling,
                following,
                first: job.clone(),
                refused: None,
                users,
            },
        );
        Ok(job)
    }

    /// 0 means that nobody has claimed the process. In turn, so that a number is not used again while the kernel still
    /// detaches the probes that had it.
    fn free_number(&mut self) -> Option<u32> {
        let taken: BTreeSet<u32> = self.served.values().map(|served| served.number).collect();
        let in_turn = (self.last_number + 1..MAX_ATTACHMENTS).chain(1..=self.last_number);
        self.last_number = in_turn.into_iter().find(|number| !taken.contains(number))?;
        Some(self.last_number)
    }
}

/// In a thread of its own, because the kernel takes its time.
fn detach(probes: impl IntoIterator<Item = Attachment>) {
    let probes: Vec<_> = probes.into_iter().collect();
    if !probes.is_empty() {
        thread::spawn(move || detach_all(probes));
    }
}

//! All targets of one watch: adopts them, hands them their events, lets them go. What it has to say it returns as
//! records; it writes nowhere.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use memwatch_common::{loss::LossReason, outside::OutsideLayout, target::UNCLAIMED};

use super::{
    attachments::Attachments,
    cost,
    features::{External, Told},
    hello,
    looks::{self, Look, Looked, Looks},
    losses::{Losses, lost_share},
    native,
    origins::Origins,
    pace::Rest,
    stacks,
    translate::{self, Stamp},
    watched::Watched,
    whom::Roster,
};
use crate::{
    attribute::Sampled,
    bpf::load::Kernel,
    cli::log::one_line,
    detect::Kind,
    host::{
        cgroup::{MemoryCgroup, OomScope},
        clock::{self, WallClock},
    },
    ingest::{Event, What},
    model::{Mono, ProcessId},
    plan::{self, Cache, Plan, PlanError, StackPlan, Stripped},
    report::{
        record::{Body, End, Record, State, Subject},
        time::Time,
    },
    sample::Sampler,
    target::{
        self, Target, TargetError, image, maps,
        process::{self, Program},
    },
};

/// How often to look at a process that executes another program meanwhile.
const ATTEMPTS: u32 = 5;

/// By then V8 has begun in a process that has executed its program: it takes Node 50 ms, and some seconds on a host that is short
/// of everything.
const LONGEST_START: Duration = Duration::from_secs(10);

/// What of the budget stacks of JavaScript may cost a target where its native memory is looked at as well.
const SHARE_OF_STACKS: f64 = 0.5;

/// All targets of one watch.
pub(super) struct Session {
    kernel: Kernel,
    attachments: Attachments,
    /// Share of one CPU that stacks may cost a target.
    budget: f64,
    cookies: bool,
    clock: WallClock,
    cache: Option<Cache>,
    roster: Roster,
    watched: BTreeMap<u32, Member>,
    /// Those of them whose V8 has not begun yet.
    newcomers: BTreeMap<u32, Newcomer>,
    losses: Losses,
    origins: Origins,
    collections: u64,
    backoffs: u64,
    adopted: u64,
}

struct Member {
    watched: Watched,
    looks: Looks,
    /// When its program was looked at: what it executed before is not news.
    looked_at: Mono,
    /// The program that was looked at.
    program: Option<Program>,
    /// The number of what serves it.
    attachment: u32,
    /// Collections that were seen.
    collections: u64,
    cgroup: Option<MemoryCgroup>,
    /// The cgroup's count of refusals when we were attached.
    limit_hits: Option<u64>,
}

/// Whether a process has begun when it is adopted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It has run for a while.
    Runs,
    /// It has just executed its program: its loader may not have mapped the C library, and V8 has made no isolate.
    Begins,
}

/// What it takes to find out later what cannot be known when a process begins.
struct Newcomer {
    target: Target,
    /// How its stacks are walked.
    stacks: Result<StackPlan, String>,
    /// Likewise those that call native code.
    callers: Option<StackPlan>,
    told: Told,
}

/// A target that was adopted: what to say, and whom to wait for.
pub(super) struct Adopted {
    pub(super) id: ProcessId,
    pub(super) records: Vec<Record>,
}

/// What is to be done after an event.
pub(super) enum Next {
    /// Nothing.
    Nothing,
    /// Somebody new is watched.
    Welcome(Adopted),
    /// This process has not yet mapped what it will run: look again soon.
    LookAgain(u32),
}

impl Session {
    pub(super) fn new(kernel: Kernel, cookies: bool, roster: Roster, origins: Origins, budget: f64) -> Self {
        let share = if origins.natives.may_cost() { SHARE_OF_STACKS } else { 1.0 };
        Self {
            kernel,
            attachments: Attachments::new(cookies, origins.stacks.are_wanted().then_some(budget * share)),
            budget,
            cookies,
            clock: WallClock::sample(),
            cache: Cache::of_user(),
            roster,
            watched: BTreeMap::new(),
            newcomers: BTreeMap::new(),
            losses: Losses::default(),
            origins,
            collections: 0,
            backoffs: 0,
            adopted: 0,
        }
    }

    /// Adopts everyone who runs now and is meant. With pids named on the command line, any failure is the job's.
    pub(super) fn adopt_running(&mut self) -> Result<Vec<Adopted>> {
        let mut adopted = Vec::new();
        let running = self.roster.running();
        running.family.iter().try_for_each(|pid| self.kernel.follow(*pid))?;
        for pid in running.meant {
            match self.adopt(pid, Phase::Runs) {
                Ok(new) => adopted.push(new),
                Err(error) if self.roster.is_named() => return Err(error),
                Err(error) => log::warn!("process {pid} is not watched: {}", one_line(&error)),
            }
        }
        Ok(adopted)
    }

    /// Makes `pid` a target: finds out what it is, attaches what it needs, admits it. Leaves nothing behind if that fails.
    fn adopt(&mut self, pid: u32, phase: Phase) -> Result<Adopted> {
        for _ in 0..ATTEMPTS {
            match self.try_to_adopt(pid, phase) {
                Ok(Some(adopted)) => return Ok(adopted),
                Ok(None) => self.let_go(pid),
                Err(error) => {
                    self.let_go(pid);
                    return Err(error);
                }
            }
        }
        bail!("process {pid} executes one program after another: try again once it has settled")
    }

    /// `None` if it has executed another program meanwhile: what was found out is about the one before.
    fn try_to_adopt(&mut self, pid: u32, phase: Phase) -> Result<Option<Adopted>> {
        let looked_at = clock::now();
        let target = target::examine(pid)?;
        let plan = match plan::prepare(&target.image, self.cache.as_ref()) {
            Ok((plan, _)) => Ok(plan),
            // Its collections cannot be seen, the rest of it can.
            Err(PlanError::Stripped(stripped)) => Err(stripped),
            Err(error) => return Err(error.into()),
        };
        let number = match &plan {
            Ok(plan) => self.attachments.serve(&mut self.kernel, pid, &target.image, plan)?,
            Err(_) => UNCLAIMED,
        };
        self.admit(pid, number)?;
        ensure!(
            process::current(pid) == Some(target.process.id),
            "process {pid} ended while it was being attached to"
        );
        if !target.image.is_current() {
            return Ok(None);
        }
        let look = (looked_at, number, phase);
        Ok(Some(self.welcome(look, target, plan.as_ref().map_err(|stripped| &**stripped))))
    }

    fn admit(&mut self, pid: u32, attachment: u32) -> Result<()> {
        self.kernel.add_target(pid, attachment)?;
        if self.roster.follows_children() {
            self.kernel.follow(pid)?;
        }
        Ok(())
    }

    fn let_go(&mut self, pid: u32) {
        self.losses.forget(pid);
        self.origins.forget(pid);
        self.kernel.remove_target(pid);
        self.attachments.release(pid);
        self.newcomers.remove(&pid);
    }

    /// `look`: when it was looked at, the number of what serves it, and whether it has begun.
    fn welcome(
        &mut self,
        (looked_at, attachment, phase): (Mono, u32, Phase),
        target: Target,
        plan: Result<&Plan, &Stripped>,
    ) -> Adopted {
        let pid = target.process.id.pid;
        let now = clock::now();
        let start_ms = target.process.start_unix_ms;
        let subject = Subject { pid, start_time: Time::from_unix_ms(start_ms) };
        let stamp = Stamp { subject, clock: self.clock };
        let age_ms = u64::try_from(self.clock.unix_ms(now) - start_ms).unwrap_or(0);
        let cgroup = MemoryCgroup::of(pid);
        let outside = plan.map_or(OutsideLayout::UNKNOWN, Plan::outside_layout);
        let sampler = Sampler::new(pid, cgroup.clone(), outside);
        let (mut hello, semi_spaces) = hello::hello(&target, plan);
        let newcomer = plan.ok().map(|plan| {
            let refused = self.attachments.refused(pid).map(str::to_owned);
            let stacks = refused.map_or_else(|| plan.stacks.clone().map_err(|why| why.to_string()), Err);
            hello.features.js_stacks = self.origins.stacks.adopt(&target, &stacks);
            let told = Told::new(stacks::FEATURE, &hello.features.js_stacks);
            (stacks, plan.stacks.clone().ok(), told)
        });
        hello.matched = self.roster.reason(pid);
        hello.features.native = looks::native(&sampler);
        let external = External::new(&hello.features.external);
        let age = Duration::from_millis(age_ms);
        let watched = Watched::new(target.process.id, stamp, now, age, semi_spaces, external);
        let watched = if plan.is_ok() { watched } else { watched.blind() };
        self.adopted += 1;
        let limit_hits = cgroup.as_ref().and_then(MemoryCgroup::limit_hits);
        let looks = Looks::new(target.process.id, sampler);
        let program = target.process.program;
        let member =
            Member { watched, looks, looked_at, program, attachment, collections: 0, cgroup, limit_hits };
        self.watched.insert(pid, member);
        let id = target.process.id;
        let no_sites = match newcomer {
            Some((stacks, callers, told)) if phase == Phase::Begins => {
                self.newcomers.insert(pid, Newcomer { target, stacks, callers, told });
                None
            }
            newcomer => self.start_natives(&target, newcomer.and_then(|(_, callers, _)| callers).as_ref()),
        };
        let bodies = [Body::Hello(Box::new(hello))].into_iter().chain(hello::missing(plan)).chain(no_sites);
        let records = bodies.map(|body| stamp.record(now, body)).collect();
        Adopted { id, records }
    }

    /// `callers`: what it takes to tell which JavaScript called. What there is to say if its native memory cannot be followed.
    fn start_natives(&mut self, target: &Target, callers: Option<&StackPlan>) -> Option<Body> {
        let javascript = callers.and_then(|plan| self.origins.stacks.javascript(target, plan));
        self.origins.natives.start(target.process.id, &target.image.path, javascript)
    }

    /// V8 has begun in a process that was adopted when it executed its program. Now it has a C library and an allocator, and knows
    /// where its threads keep their isolates.
    fn settle(&mut self, pid: u32) -> Vec<Body> {
        let Some(Newcomer { mut target, stacks, callers, mut told }) = self.newcomers.remove(&pid) else {
            return Vec::new();
        };
        target.libc = maps::of(pid).ok().and_then(|maps| target::libc::libc(&maps)).or(target.libc);
        let off = match self.origins.stacks.adopt(&target, &stacks) {
            State::On => None,
            State::Off(why) => Some(why),
        };
        let news = told.is(off.as_deref());
        news.into_iter().chain(self.start_natives(&target, callers.as_ref())).collect()
    }

    /// Newcomers of whose V8 nothing was heard for so long that it was missed.
    fn quiet_newcomers(&self, now: Mono) -> Vec<u32> {
        let is_quiet = |pid: &&u32| {
            self.watched.get(pid).is_none_or(|member| now.since(member.watched.since) >= LONGEST_START)
        };
        self.newcomers.keys().filter(is_quiet).copied().collect()
    }

    /// Sees to it that a program about to be started is heard from its first instruction: whatever descends from us is
    /// followed, and if `program` is a Node its probes are live before it runs.
    pub(super) fn expect_child(&mut self, program: Option<&Path>) -> Result<()> {
        if let Some(image) = program.and_then(image::of_program).filter(|_| self.cookies)
            && let Ok((plan, _)) = plan::prepare(&image, self.cache.as_ref())
        {
            self.attachments.prepare(&mut self.kernel, &image, &plan)?;
        }
        self.kernel.follow(std::process::id()).context("cannot follow what we start")
    }

    /// `child` is started, and what else we start is none of the session's business. It is followed by name, as a kernel
    /// without BTF does not tell whose child it is; and it is looked at, as it runs its program already.
    pub(super) fn child_is_started(&mut self, child: u32) -> Result<Next> {
        self.kernel.follow(child)?;
        self.kernel.unfollow(std::process::id());
        Ok(self.consider(child))
    }

    /// Whether processes that start later may be targets.
    pub(super) fn may_grow(&self) -> bool {
        self.roster.follows_all()
    }

    /// Whether nobody is left, and nobody can come.
    pub(super) fn is_over(&self) -> bool {
        self.watched.is_empty() && !self.may_grow()
    }

    /// The calendar by which records are dated.
    pub(super) fn clock(&self) -> WallClock {
        self.clock
    }

    /// Takes in one event. An exec can bring a new target.
    pub(super) fn event(&mut self, event: &Event) -> (Vec<Record>, Next) {
        if event.what == What::Exec {
            if let Some(member) = self.knows(event) {
                // The kernel side took it for a new one.
                if let Err(error) = self.kernel.add_target(event.pid, member.attachment) {
                    log::warn!("process {} is not watched any more: {error}", event.pid);
                }
                return (Vec::new(), Next::Nothing);
            }
            let records = self.dismiss(event.pid, event.time, |_| End::Exec);
            return (records, self.consider(event.pid));
        }
        let news = match event.what {
            What::HeapSetUp { .. } | What::Collection(_) => self.settle(event.pid),
            _ => Vec::new(),
        };
        let Some(member) = self.watched.get_mut(&event.pid) else { return (Vec::new(), Next::Nothing) };
        let mut records = member.watched.event(event);
        records.splice(0..0, member.records(event.time, news));
        if let What::Collection(collection) = &event.what {
            self.collections += 1;
            member.collections += 1;
            self.origins.collection(event.pid, collection, &mut records);
        }
        let starts = self.origins.starts.of_gone(event.pid, &records);
        records.splice(0..0, member.records(event.time, starts));
        self.origins.attribute(event.pid, &mut records);
        (records, Next::Nothing)
    }

    /// Who was looked at after this exec: a wrapper (`env`, `sh -c exec`) and the Node it becomes execute two programs at
    /// once, and by the time the first is heard of the process is already the second; and the kernel tells of an exec when
    /// the program is mapped already and who started it runs on.
    fn knows(&self, exec: &Event) -> Option<&Member> {
        let is_same = |program| process::program(exec.pid) == Some(program);
        self.watched
            .get(&exec.pid)
            .filter(|member| exec.time <= member.looked_at || member.program.is_some_and(is_same))
    }

    /// Takes in one new stack.
    pub(super) fn stack(&mut self, bytes: &[u8]) -> Option<Record> {
        let Ok(said) = self.origins.stacks.event(bytes) else {
            self.malformed(None, LossReason::StackMalformed);
            return None;
        };
        let (pid, body) = said?;
        self.watched.get(&pid).map(|member| member.watched.stamp.record(clock::now(), body))
    }

    /// Makes room for new stacks, once nobody waits for those that are there.
    pub(super) fn make_room(&mut self) {
        self.origins.stacks.make_room();
    }

    /// Counts a record that could not be decoded.
    pub(super) fn malformed(&mut self, pid: Option<u32>, reason: LossReason) {
        self.losses.malformed(pid.filter(|pid| self.watched.contains_key(pid)), reason);
    }

    /// Looks at a process that has executed a program: the kernel side has made it a target if it may be meant.
    pub(super) fn consider(&mut self, pid: u32) -> Next {
        if !self.roster.means(pid, self.kernel.is_followed(pid)) {
            self.kernel.remove_target(pid);
            return Next::Nothing;
        }
        match self.adopt(pid, Phase::Begins) {
            Ok(adopted) => Next::Welcome(adopted),
            // The dynamic loader has yet to map libnode.so; until then the kernel side keeps what it says.
            Err(error) if matches!(error.downcast_ref(), Some(TargetError::NotNode { .. })) => {
                Next::LookAgain(pid)
            }
            Err(error) => {
                log::warn!("process {pid} is not watched: {}", one_line(&error));
                Next::Nothing
            }
        }
    }

    /// It never became a Node process.
    pub(super) fn give_up(&mut self, pid: u32) {
        self.kernel.remove_target(pid);
    }

    /// What watching has cost the targets so far, CPU seconds.
    pub(super) fn cost_s(&self) -> f64 {
        cost::of_collections(self.collections) + self.origins.stacks.cost_s() + self.origins.natives.cost_s()
    }

    /// How often probes had to rest.
    pub(super) fn backoffs(&self) -> u64 {
        self.backoffs
    }

    /// Everything that was sampled.
    pub(super) fn sampled(&self) -> Vec<Sampled<'_>> {
        self.origins.stacks.sampled()
    }

    /// How many targets there have been.
    pub(super) fn adopted(&self) -> u64 {
        self.adopted
    }

    /// A process has ended; one that has its pid by now is another.
    pub(super) fn gone(&mut self, id: ProcessId) -> Vec<Record> {
        if self.watched.get(&id.pid).is_none_or(|member| member.watched.id != id) {
            return Vec::new();
        }
        self.dismiss(id.pid, clock::now(), |member| member.watched.ending.account(|| member.oom_scope()))
    }

    fn dismiss(&mut self, pid: u32, at: Mono, end: impl FnOnce(&Member) -> End) -> Vec<Record> {
        let mut records = self.new_losses(at);
        let Some(mut member) = self.watched.remove(&pid) else { return records };
        records.extend(member.records(at, self.origins.starts.last(pid)));
        let end = Body::End(end(&member));
        records.push(member.watched.stamp.record(at, end));
        records.extend(member.last_records(at));
        self.origins.attribute(pid, &mut records);
        self.let_go(pid);
        records
    }

    /// What there is to do at every interval: looks to be taken; and to say: what was decided meanwhile, and losses if there
    /// are new ones.
    pub(super) fn interval(&mut self) -> (Vec<Look>, Vec<Record>) {
        let looks = self.watched.values_mut().filter_map(Member::next_look).collect();
        let stamps = self.watched.values().map(|member| &member.watched.stamp);
        let mut records: Vec<Record> =
            stamps.flat_map(|stamp| self.origins.natives.decisions(stamp)).collect();
        let now = clock::now();
        for pid in self.quiet_newcomers(now) {
            let news = self.settle(pid);
            if let Some(member) = self.watched.get(&pid) {
                records.extend(member.records(now, news));
            }
        }
        for (pid, member) in &self.watched {
            records.extend(member.records(now, self.origins.starts.news(*pid, now)));
        }
        records.extend(self.pace(now));
        records.extend(self.new_losses(now));
        (looks, records)
    }

    /// Lets probes on allocations rest where they cost more than they may.
    fn pace(&mut self, now: Mono) -> Vec<Record> {
        let charges = self.origins.stacks.charges();
        for (pid, member) in &self.watched {
            let stacks_s = charges.get(pid).map_or(0.0, |charge| charge.seconds);
            let seconds = now.since(member.watched.since).as_secs_f64().max(1.0);
            let cost_s = cost::of_collections(member.collections) + stacks_s;
            self.origins.natives.leave_for_others(*pid, 100.0 * cost_s / seconds);
        }
        let rests = self.attachments.pace(&mut self.kernel, now, &charges);
        self.backoffs += rests.len() as u64;
        let tell = |(pid, rest): (u32, Rest)| {
            let member = self.watched.get(&pid)?;
            Some(member.watched.stamp.record(now, translate::rest(&rest, self.budget)))
        };
        rests.into_iter().filter_map(tell).collect()
    }

    /// Takes in a look at a target, which may be gone by now.
    pub(super) fn looked(&mut self, looked: Looked) -> Vec<Record> {
        let id = looked.id;
        let member = self.watched.get_mut(&id.pid).filter(|member| member.watched.id == id);
        let Some(member) = member else { return Vec::new() };
        if self.origins.natives.has_found(id.pid) {
            member.watched.tell_again(Kind::Native);
        }
        let mut records = member.looked(looked);
        self.origins.attribute(id.pid, &mut records);
        records
    }

    /// What there is to say before the end.
    pub(super) fn last_records(&mut self) -> Vec<Record> {
        let now = clock::now();
        let mut records = self.new_losses(now);
        for (pid, member) in &mut self.watched {
            records.extend(member.records(now, self.origins.starts.last(*pid)));
            let mut last = member.last_records(now);
            self.origins.attribute(*pid, &mut last);
            records.extend(last);
        }
        records
    }

    /// Brings what verdicts must know of losses up to date, and reports of each target those that were not reported.
    fn new_losses(&mut self, now: Mono) -> Vec<Record> {
        if self.watched.is_empty() {
            return Vec::new();
        }
        let blind = self.losses.read(self.kernel.losses());
        let mut records = Vec::new();
        for (pid, member) in &mut self.watched {
            let mut counts = self.losses.of(*pid);
            self.origins.natives.add_losses(*pid, &mut counts);
            member.watched.lost_share = lost_share(&counts, member.collections);
            let blind = blind.clone().map(|reason| native::off("losses", reason));
            let bodies = blind.into_iter().chain(self.losses.news(*pid, &counts).map(Body::Loss));
            records.extend(bodies.map(|body| member.watched.stamp.record(now, body)));
        }
        records
    }

    /// Detaches everything; takes the kernel some tenths of a second.
    pub(super) fn detach(self) {
        self.origins.natives.detach();
        self.attachments.detach();
    }
}

impl Member {
    fn records(&self, at: Mono, bodies: Vec<Body>) -> impl Iterator<Item = Record> {
        let stamp = self.watched.stamp;
        bodies.into_iter().map(move |body| stamp.record(at, body))
    }

    fn last_records(&mut self, at: Mono) -> Vec<Record> {
        let bodies = self.watched.last_words(at);
        self.records(at, bodies).collect()
    }

    fn next_look(&mut self) -> Option<Look> {
        self.looks.next(self.watched.heaps())
    }

    fn looked(&mut self, looked: Looked) -> Vec<Record> {
        let (reading, mut bodies) = self.looks.taken(looked, self.watched.isolate_count());
        bodies.extend(self.watched.reading(&reading));
        self.records(reading.at, bodies).collect()
    }

    fn oom_scope(&self) -> Option<&'static str> {
        self.cgroup.as_ref()?.oom_scope(self.limit_hits).map(OomScope::name)
    }
}

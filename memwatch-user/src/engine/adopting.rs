//! How targets come: those that run already, those that execute a program later, and what is found out once their V8 has
//! begun.

use std::{collections::VecDeque, mem, path::Path, sync::Arc, time::Duration};

use anyhow::{Result, anyhow};
use memwatch_common::{stack::StackLayout, target::UNCLAIMED};

use super::{
    Engine,
    adoption::examine::{Examined, SettleJob, Settled},
    attribution::stacks::{FEATURE, SURVIVORS},
    ending::Ending,
    features::{External, Feature, FeatureChange, FeatureOff, FeatureState},
    fleet::{Begun, Candidate, Seat, Stage},
    judged::process::Process,
    member::{Member, Newcomed, Newcomer, Phase, ProgramSeen},
    outcome::{Introduction, Subject, What},
    panicked::Panicked,
    probes::{
        Arrival, Service,
        job::{Attached, Order},
    },
    scrape::Scraper,
};
use crate::{
    bpf::attach::AttachError,
    host::{cgroup::MemoryCgroup, clock, errors::one_line},
    ingest::Event,
    model::{Mono, ProcessId},
    native::{NativeError, Tracker},
    plan::StackPlan,
    target::{Target, TargetError},
};

/// How often to examine a process that executes another program meanwhile.
const ATTEMPTS: u32 = 5;
/// How often to examine one that has not mapped what it runs: a second on an idle machine, plenty in an emulated one.
const LOOKS: u8 = 50;

impl Engine {
    /// Begins to adopt everyone who runs now and is meant. With pids named on the command line, any failure is the job's.
    pub(crate) fn adopt_running(&mut self) -> Result<()> {
        let running = self.adoption.selection.running();
        running.family.iter().try_for_each(|pid| self.kernel.follow(*pid))?;
        self.adoption.found(running.meant);
        self.examine_waiting();
        Ok(())
    }

    /// Whether the watch has not begun yet, as some who are to be there from the beginning are not attached to. With pids named on
    /// the command line, a failure with one of them is an error.
    pub(crate) fn is_beginning(&mut self) -> Result<bool> {
        self.failure.take().map_or(Ok(()), Err)?;
        Ok(self.adoption.has_waiting() || self.fleet.awaits() || self.adoption.attachments.are_prepared())
    }

    fn examine_waiting(&mut self) {
        while let Some(pid) = self.adoption.next() {
            // It may have executed a program, and be one of the others meanwhile.
            if self.fleet.has(pid) {
                self.adoption.was_examined(pid);
            } else {
                self.fleet.put(pid, Seat::Candidate(Candidate::running()));
                self.examine(pid);
            }
        }
    }

    /// Sees to it that a program about to be started is heard from its first instruction, once the watch has begun.
    pub(crate) fn expect_child(&mut self, program: Option<&Path>) -> Result<()> {
        let job = self.adoption.expect_child(&mut self.kernel, program)?;
        self.background.attach(job);
        Ok(())
    }

    /// `child` is started, and what else we start is none of the engine's business. It is followed by name, as a kernel
    /// without BTF does not tell whose child it is; and it is looked at, as it runs its program already.
    pub(crate) fn child_is_started(&mut self, child: u32) -> Result<()> {
        self.kernel.follow(child)?;
        self.kernel.unfollow(std::process::id());
        self.consider(child, VecDeque::new());
        Ok(())
    }

    /// Examines a process that has executed a program: the kernel side has made it a target if it may be meant. `inbox`: what
    /// has happened to it since.
    pub(super) fn consider(&mut self, pid: u32, inbox: VecDeque<Event>) {
        if self.fleet.has(pid) {
            return;
        }
        if !self.adoption.selection.means(pid, self.kernel.is_followed(pid)) {
            return self.kernel.remove_target(pid);
        }
        self.fleet.put(pid, Seat::Candidate(Candidate::new(inbox)));
        self.examine(pid);
    }

    pub(super) fn examine(&mut self, pid: u32) {
        if self.fleet.candidate(pid).is_some() {
            self.background.examine(pid, self.adoption.examination(pid));
        }
    }

    /// A process was examined.
    pub(super) fn examined(&mut self, pid: u32, examined: Result<Result<Examined>, Panicked>) {
        self.adoption.was_examined(pid);
        if let Some(Candidate { begun, .. }) = self.fleet.candidate(pid) {
            let begun = *begun;
            match examined.unwrap_or_else(|panicked| Err(panicked.into())) {
                Ok(examined) => self.attach(pid, examined),
                // The dynamic loader has yet to map libnode.so.
                Err(error) if begun == Begun::JustNow && is_no_node(&error) => self.look_again(pid),
                Err(error) => self.failed(pid, error),
            }
        }
        self.examine_waiting();
    }

    /// It has executed another program while the last one was examined or attached to.
    fn examine_next_program(&mut self, pid: u32) {
        let Some(candidate) = self.fleet.candidate(pid) else { return };
        candidate.begun = Begun::JustNow;
        candidate.programs += 1;
        if candidate.programs < ATTEMPTS {
            return self.examine(pid);
        }
        let restless =
            anyhow!("process {pid} executes one program after another: try again once it has settled");
        self.failed(pid, restless);
    }

    /// It may become a Node process yet.
    fn look_again(&mut self, pid: u32) {
        let Some(candidate) = self.fleet.candidate(pid) else { return };
        candidate.looks += 1;
        if candidate.looks < LOOKS { self.background.examine_again(pid) } else { self.give_up(pid) }
    }

    /// It cannot be watched. That is the job's failure if its pid was named on the command line.
    fn failed(&mut self, pid: u32, error: anyhow::Error) {
        let is_awaited = self.fleet.candidate(pid).is_some_and(|candidate| candidate.is_awaited);
        if is_awaited && self.adoption.selection.is_named() {
            self.failure.get_or_insert(error);
        } else {
            log::warn!("process {pid} is not watched: {}", one_line(&error));
        }
        self.give_up(pid);
    }

    /// It is not to be watched after all. Leaves nothing behind.
    fn give_up(&mut self, pid: u32) {
        self.fleet.remove(pid);
        self.adoption.let_go(&mut self.kernel, pid);
    }

    /// Attaches what an examined process needs, and watches it: at once where others run the same file, else when its probes have
    /// come. What happens to it meanwhile waits.
    fn attach(&mut self, pid: u32, examined: Examined) {
        match self.adoption.serve(&mut self.kernel, &examined) {
            Ok(Service::Live(number)) => self.admit(examined, number),
            Ok(Service::Coming(job)) => {
                if let Some(candidate) = self.fleet.candidate(pid) {
                    candidate.stage = Stage::Attached(Box::new(examined));
                }
                self.background.attach(job);
            }
            Err(error) => self.failed(pid, error.into()),
        }
    }

    /// Probes were attached, or could not be: whoever waited for them is watched from now on.
    pub(super) fn attached(
        &mut self,
        order: Order,
        attached: Result<Result<Attached, AttachError>, Panicked>,
    ) {
        let Arrival::First(waiting, number) = self.adoption.attachments.attached(order, attached) else {
            return;
        };
        if let (true, Err(error)) = (waiting.is_empty(), &number) {
            // They were for the program that is to be started.
            self.failure.get_or_insert(Arc::clone(error).into());
        }
        for pid in waiting {
            let Some(candidate) = self.fleet.candidate(pid) else { continue };
            let Stage::Attached(examined) = mem::replace(&mut candidate.stage, Stage::Examined) else {
                continue;
            };
            match &number {
                Ok(number) => self.admit(*examined, *number),
                Err(error) => self.failed(pid, Arc::clone(error).into()),
            }
        }
        self.load_walker();
        self.background.attach(self.adoption.attachments.follow());
    }

    /// Its probes are live. Watches it, unless it has executed another program meanwhile.
    fn admit(&mut self, examined: Examined, number: u32) {
        let pid = examined.target.process.id.pid;
        match self.adoption.admit(&mut self.kernel, &examined.target, number) {
            Ok(true) => {
                self.welcome(examined, number);
                self.deliver(pid);
            }
            Ok(false) => {
                self.adoption.attachments.release(pid);
                // What it runs now may have probes already: whichever is hit first claims it.
                match self.kernel.add_target(pid, UNCLAIMED) {
                    Ok(()) => self.examine_next_program(pid),
                    Err(error) => self.failed(pid, error.into()),
                }
            }
            Err(error) => self.failed(pid, error),
        }
    }

    /// It is a target from now on.
    fn welcome(&mut self, mut examined: Examined, attachment: u32) {
        let (id, now) = (examined.target.process.id, clock::now());
        let layout = examined.walk.as_ref().ok().map(|walk| walk.layout);
        let refused = self.adoption.attachments.refused(id.pid).cloned();
        let introduction = self.introduce(&mut examined, refused.clone());
        let rest = Newcomed {
            callers: examined.callers(),
            js_stacks: Feature::new(FEATURE, &introduction.features.js_stacks),
        };
        let not_followed = introduction.features.js_stacks.is_on().then(|| examined.not_followed()).flatten();
        let stacks = refused.map_or_else(|| examined.stacks(), Err);
        let (mut member, target, has_plan) = self.member(examined, &introduction, attachment, now);
        self.outcomes.push(member.outcome(now, What::Adopted(Box::new(introduction))));
        let not_followed = not_followed.map(|why| What::Feature(FeatureChange::off(SURVIVORS, why)));
        self.outcomes.extend(not_followed.map(|what| member.outcome(now, what)));
        let has_begun =
            self.fleet.candidate(id.pid).is_none_or(|candidate| candidate.begun == Begun::Earlier);
        if has_plan && !has_begun {
            member.phase = Phase::Begins(Box::new(Newcomer { target, stacks, rest }));
        } else {
            self.start_tracker(id, &target.image.path, rest.callers, layout);
        }
        self.fleet.put(id.pid, Seat::Taken(Box::new(member)));
        self.background.wait_for_end(id);
        self.adopted += 1;
    }

    /// Begins to walk its stacks, if they can be, and completes its introduction.
    fn introduce(&mut self, examined: &mut Examined, refused: Option<FeatureOff>) -> Introduction {
        let pid = examined.target.process.id.pid;
        let mut introduction = examined.introduction.clone();
        if examined.plan.is_ok() {
            let walk = mem::replace(&mut examined.walk, Err(FeatureOff::NotWanted));
            let walk = refused.map_or(walk, Err);
            introduction.features.js_stacks = self.attribution.stacks.adopt(pid, walk);
        }
        introduction.matched = self.adoption.selection.reason(pid);
        introduction
    }

    /// The target, what it was made of, and whether its collections can be seen.
    fn member(
        &mut self,
        examined: Examined,
        introduction: &Introduction,
        attachment: u32,
        now: Mono,
    ) -> (Member, Target, bool) {
        let outside = examined.outside_layout();
        let Examined { looked_at, target, plan, cgroup, sampler, semi_spaces, .. } = examined;
        let (id, start_unix_ms) = (target.process.id, target.process.start_unix_ms);
        let age_ms = u64::try_from(self.clock.unix_ms(now) - start_unix_ms).unwrap_or(0);
        let external = External::new(&introduction.features.external);
        let process = Process::new(id.pid, now, Duration::from_millis(age_ms), semi_spaces, external);
        let candidate = self.fleet.candidate(id.pid);
        let member = Member {
            id,
            subject: Subject { pid: id.pid, start_unix_ms },
            process: if plan.is_ok() { process } else { process.blind() },
            ending: Ending::default(),
            scraper: Scraper::new(id.pid, cgroup.clone(), outside, sampler),
            phase: Phase::Runs,
            inbox: candidate.map(|candidate| mem::take(&mut candidate.inbox)).unwrap_or_default(),
            waits_since: None,
            program: ProgramSeen { at: looked_at, program: target.process.program },
            attachment,
            collections: 0,
            limit_hits: cgroup.as_ref().and_then(MemoryCgroup::limit_hits),
            cgroup,
        };
        (member, target, plan.is_ok())
    }

    /// `callers` and `layout`: what it takes to tell which JavaScript called.
    fn start_tracker(
        &mut self,
        id: ProcessId,
        v8: &str,
        callers: Option<StackPlan>,
        layout: Option<StackLayout>,
    ) {
        let javascript =
            callers.zip(layout).and_then(|(plan, layout)| self.attribution.javascript(plan, layout));
        if let Some(job) = self.attribution.natives.start(id, v8, javascript) {
            self.background.tracker(id, job);
        }
    }

    /// A tracker of native memory has been started, or could not be.
    pub(super) fn tracked(&mut self, id: ProcessId, tracker: Result<Result<Tracker, NativeError>, Panicked>) {
        let tracker = tracker.unwrap_or_else(|panicked| Err(NativeError::Panicked(panicked.to_string())));
        let Some(member) = self.fleet.member_of(id) else { return };
        let change = self.attribution.natives.started(id.pid, tracker);
        self.outcomes.extend(change.map(|change| member.outcome(clock::now(), What::Feature(change))));
    }

    /// V8 has begun in a process that was adopted when it executed its program.
    pub(super) fn settle(&mut self, pid: u32) {
        let Some(member) = self.fleet.member(pid) else { return };
        match mem::replace(&mut member.phase, Phase::Runs) {
            Phase::Begins(newcomer) => {
                let Newcomer { target, stacks, rest } = *newcomer;
                self.background.settle(member.id, SettleJob { target, stacks });
                member.phase = Phase::Settles(Box::new(rest));
            }
            other => member.phase = other,
        }
    }

    /// What could not be known when a process began was found out.
    pub(super) fn settled(&mut self, id: ProcessId, settled: Result<Settled, Panicked>) {
        let Some(member) = self.fleet.member_of(id) else { return };
        let Phase::Settles(mut rest) = mem::replace(&mut member.phase, Phase::Runs) else { return };
        let settled = match settled {
            Ok(settled) => settled,
            Err(panicked) => {
                let change = rest.js_stacks.update(FeatureState::Off(panicked.into()));
                return self
                    .outcomes
                    .extend(change.map(|change| member.outcome(clock::now(), What::Feature(change))));
            }
        };
        let layout = settled.walk.as_ref().ok().map(|walk| walk.layout);
        let state = self.attribution.stacks.adopt(id.pid, settled.walk);
        for isolate in member.process.isolate_facts() {
            self.attribution.isolate_began(id.pid, &isolate);
        }
        let change = rest.js_stacks.update(state);
        self.outcomes.extend(change.map(|change| member.outcome(clock::now(), What::Feature(change))));
        self.start_tracker(id, &settled.target.image.path, rest.callers, layout);
    }
}

fn is_no_node(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(TargetError::NotNode { .. }))
}

//! What the kernel side sends, and what was done in the background: each to the target that it is about.

use std::{collections::VecDeque, mem, sync::Arc, time::Duration};

use memwatch_common::loss::LossReason;

use super::{
    Engine,
    attribution::{names::Named, stacks::FEATURE},
    background::{Done, Finished},
    ending::End,
    features::{FeatureChange, FeatureOff},
    fleet::Posted,
    heaps::{take::Holdings, taken::Taken},
    judged::process::Gone,
    member::Member,
    outcome::{CollectionOutcome, IsolateEnd, LastVerdicts, ScrapeOutcome, What},
    panicked::Panicked,
    scrape::{Scrape, Scraped},
};
use crate::{
    bpf::error::LoadError,
    host::clock,
    ingest::{self, Event, What as Happened},
    model::{Collection, LimitParts, Mono, ProcessId},
    target::process,
};

/// How long a collection waits for the names of the stack on which it began; then where it started is not known.
const PATIENCE: Duration = Duration::from_millis(500);

impl Engine {
    /// What one record of the kernel side says.
    pub(crate) fn decode(&mut self, bytes: &[u8]) -> Option<Event> {
        let event = ingest::decode(bytes).ok();
        if event.is_none() {
            let pid = ingest::process_of(bytes).filter(|pid| self.fleet.member(*pid).is_some());
            self.losses.ours(pid, LossReason::EventMalformed);
        }
        event
    }

    /// Takes in one new stack of the kernel side.
    pub(crate) fn stack(&mut self, bytes: &[u8]) {
        if self.attribution.stacks.event(bytes).is_err() {
            self.losses.ours(None, LossReason::StackMalformed);
        }
    }

    /// Sees to it that the stacks that came get names.
    pub(crate) fn stacks_came(&mut self) {
        for (pid, job) in self.attribution.stacks.jobs() {
            self.background.names(pid, job);
        }
    }

    /// Takes in what a record said, once the stacks are in that were sent before it.
    pub(crate) fn event(&mut self, event: Event) {
        let pid = event.pid;
        match self.fleet.post(event) {
            Posted::Waits => self.deliver(pid),
            Posted::Full => self.losses.ours(Some(pid), LossReason::ExaminedTooLong),
            Posted::Unwanted(Happened::Exec) => self.consider(pid, VecDeque::new()),
            Posted::Unwanted(_) => {}
        }
    }

    /// Takes in what has happened to a target, in order, up to the first collection of which it is not known yet where it
    /// started.
    pub(super) fn deliver(&mut self, pid: u32) {
        while let Some(event) = self.next_event(pid) {
            self.take_in(&event);
        }
    }

    /// Likewise all of it, as it stands.
    pub(super) fn deliver_all(&mut self, pid: u32) {
        while let Some(event) = self.fleet.member(pid).and_then(|member| member.inbox.pop_front()) {
            self.take_in(&event);
        }
    }

    fn next_event(&mut self, pid: u32) -> Option<Event> {
        let member = self.fleet.member(pid)?;
        let waits = match &member.inbox.front()?.what {
            Happened::Collection(collection) => self.attribution.stacks.are_awaited(pid, collection),
            _ => false,
        };
        if waits && clock::now().since(*member.waits_since.get_or_insert_with(clock::now)) < PATIENCE {
            return None;
        }
        member.waits_since = None;
        member.inbox.pop_front()
    }

    fn take_in(&mut self, event: &Event) {
        let (pid, at) = (event.pid, event.time);
        if matches!(event.what, Happened::HeapSetUp { .. } | Happened::Collection(_)) {
            self.settle(pid);
        }
        match &event.what {
            Happened::Collection(collection) => self.collection(pid, collection),
            Happened::HeapSetUp { heap, limit } => self.heap_set_up(event, *heap, *limit),
            Happened::HeapTearDown { heap } => self.heap_torn_down(pid, *heap, at),
            Happened::V8OutOfMemory { heap, location } => {
                self.v8_out_of_memory(event, *heap, location.clone());
            }
            Happened::Exec => self.executed(event),
            Happened::Exit { status } => self.with(pid, |member| member.ending.status(*status)),
            Happened::OomKill => {
                self.with(pid, |member| member.ending.oom_killed());
                self.last_verdicts(pid, at);
            }
        }
    }

    fn with(&mut self, pid: u32, change: impl FnOnce(&mut Member)) {
        self.fleet.member(pid).map(change).unwrap_or_default();
    }

    fn collection(&mut self, pid: u32, collection: &Collection) {
        let Some(member) = self.fleet.member(pid) else { return };
        self.collections += 1;
        member.collections += 1;
        let (shown, verdicts) = member.process.collection(collection);
        if shown.is_new {
            self.attribution.isolate_began(pid, &shown.isolate);
        }
        let trigger = self.attribution.trigger(pid, shown.isolate.serial, collection);
        let verdicts = self.attribution.attribute(&mut self.heaps, member.id, verdicts);
        let outcome = CollectionOutcome { collection: *collection, trigger, shown, verdicts };
        self.outcomes.push(member.outcome(collection.end, What::Collection(Box::new(outcome))));
    }

    fn heap_set_up(&mut self, event: &Event, heap: u64, limit: Option<LimitParts>) {
        let (pid, at) = (event.pid, event.time);
        self.heap_torn_down(pid, heap, at);
        let Some(member) = self.fleet.member(pid) else { return };
        let isolate = member.process.born(heap, event.tid, at, limit);
        self.attribution.isolate_began(pid, &isolate);
        self.outcomes.push(member.outcome(at, What::IsolateBorn(isolate)));
    }

    fn heap_torn_down(&mut self, pid: u32, heap: u64, at: Mono) {
        let Some(member) = self.fleet.member(pid) else { return };
        let Some(Gone { isolate, verdicts }) = member.process.torn_down(heap, at) else { return };
        let verdicts = self.attribution.attribute(&mut self.heaps, member.id, verdicts);
        let triggers = self.attribution.isolate_ended(pid, &isolate);
        let end = IsolateEnd { isolate, triggers, verdicts };
        self.outcomes.push(member.outcome(at, What::IsolateGone(Box::new(end))));
    }

    fn v8_out_of_memory(&mut self, event: &Event, heap: u64, location: Option<String>) {
        self.with(event.pid, |member| {
            member.ending.v8_out_of_memory(member.process.serial_of(heap), location);
        });
        self.last_verdicts(event.pid, event.time);
    }

    pub(super) fn last_verdicts(&mut self, pid: u32, at: Mono) {
        let Some(member) = self.fleet.member(pid) else { return };
        let verdicts =
            self.attribution.attribute(&mut self.heaps, member.id, member.process.last_verdicts(at));
        let last = LastVerdicts { silence: member.process.silence(), verdicts };
        self.outcomes.push(member.outcome(at, What::LastVerdicts(last)));
    }

    /// A target has executed a program. Two execs may be one program: a wrapper (`env`, `sh -c exec`) and the Node it becomes
    /// execute two programs at once, and by the time the first is heard of the process is already the second; and the kernel
    /// tells of an exec when the program is mapped already and who started it runs on.
    fn executed(&mut self, event: &Event) {
        let pid = event.pid;
        let Some(member) = self.fleet.member(pid) else { return };
        let is_same = |program| process::program(pid) == Some(program);
        if event.time <= member.program.at || member.program.program.is_some_and(is_same) {
            // The kernel side took it for a new one.
            if let Err(error) = self.kernel.add_target(pid, member.attachment) {
                log::warn!("process {pid} is not watched any more: {error}");
            }
            return;
        }
        let inbox = mem::take(&mut member.inbox);
        self.dismiss(pid, event.time, End::Exec);
        self.consider(pid, inbox);
    }

    /// A process has ended; one that has its pid by now is another.
    fn gone(&mut self, id: ProcessId) {
        self.background.has_ended(id);
        if self.fleet.member_of(id).is_none() {
            return;
        }
        self.deliver_all(id.pid);
        let Some(member) = self.fleet.member_of(id) else { return };
        let end = member.ending.account(|| member.oom_scope());
        self.dismiss(id.pid, clock::now(), end);
    }

    /// A target is none any more.
    fn dismiss(&mut self, pid: u32, at: Mono, end: End) {
        self.new_losses(at);
        self.last_triggers(pid, at);
        let Some(member) = self.fleet.member(pid) else { return };
        self.outcomes.push(member.outcome(at, What::Ended(end)));
        self.last_verdicts(pid, at);
        self.fleet.remove(pid);
        self.losses.forget(pid);
        self.attribution.forget(pid);
        self.heaps.forget(pid);
        self.adoption.let_go(&mut self.kernel, pid);
    }

    /// Stacks that are wanted are walked from a moment later on: no collection waits for the verifier.
    pub(super) fn load_walker(&mut self) {
        if let Some(walker) = self.walker.take() {
            self.background.walker(walker);
        }
    }

    fn walker_loaded(&mut self, loaded: Result<Result<(), LoadError>, Panicked>) {
        let why = match loaded {
            Ok(Ok(())) => return self.attribution.stacks.begin(clock::now()),
            Ok(Err(error)) => FeatureOff::Walker(Arc::new(error)),
            Err(panicked) => panicked.into(),
        };
        self.adoption.attachments.end_sampling();
        for pid in self.attribution.stacks.refuse(why.clone()) {
            self.say_of(pid, FeatureChange::off(FEATURE, why.clone()));
        }
    }

    fn say_of(&mut self, pid: u32, change: FeatureChange) {
        if let Some(member) = self.fleet.member(pid) {
            self.outcomes.push(member.outcome(clock::now(), What::Feature(change)));
        }
    }

    /// Takes in what was done in the background, or has happened meanwhile.
    pub(crate) fn finished(&mut self, finished: Finished) {
        match finished.0 {
            Done::Scrape(id, scrape) => self.scraped(id, scrape),
            Done::Names(pid, named) => self.named(pid, named),
            Done::Examined(pid, examined) => self.examined(pid, *examined),
            Done::Attached(order, attached) => self.attached(order, attached),
            Done::Settled(id, settled) => self.settled(id, *settled),
            Done::Tracker(id, tracker) => self.tracked(id, tracker),
            Done::Take(id, holdings) => self.taken(id, holdings),
            Done::Walker(loaded) => self.walker_loaded(loaded),
            Done::ExamineAgain(pid) => self.examine(pid),
            Done::Ended(id) => self.gone(id),
        }
    }

    fn scraped(&mut self, id: ProcessId, scrape: Result<Scrape, Panicked>) {
        self.allowance.spend(scrape.as_ref().ok().and_then(|scrape| scrape.took).unwrap_or_default());
        let Some(member) = self.fleet.member_of(id) else { return };
        let Ok(scrape) = scrape else {
            member.scraper.failed();
            return self.losses.ours(Some(id.pid), LossReason::ScrapeFailed);
        };
        let Scraped { native, reading, budget, budget_age } = member.scraper.taken(scrape);
        let isolates = member.process.isolate_count();
        member.process.reading(&reading);
        let again = self.attribution.found(&self.heaps, id.pid);
        let verdicts =
            self.attribution.attribute(&mut self.heaps, id, member.process.news(reading.at, &again));
        let outcome = ScrapeOutcome { native, reading, budget, budget_age, isolates, verdicts };
        self.outcomes.push(member.outcome(reading.at, What::Scrape(Box::new(outcome))));
    }

    /// A take of a heap was made, or could not be.
    fn taken(&mut self, id: ProcessId, holdings: Result<anyhow::Result<Holdings>, Panicked>) {
        let holdings = holdings.unwrap_or_else(|panicked| Err(panicked.into()));
        let taken = self.heaps.taken(id, holdings);
        let off = taken.map_or_else(
            |why| why,
            |taken| {
                self.judge_take(id, &taken);
                None
            },
        );
        if let (Some(why), Some(member)) = (off, self.fleet.member_of(id)) {
            let why = FeatureOff::Heap { pid: id.pid, why: Arc::new(why) };
            let change = What::Feature(FeatureChange::off("holders", why));
            self.outcomes.push(member.outcome(clock::now(), change));
        }
    }

    fn judge_take(&mut self, id: ProcessId, taken: &Taken) {
        let Some(member) = self.fleet.member_of(id) else { return };
        self.attribution.stacks.reached(id.pid, &taken.alive);
        for (serial, heap) in member.process.take(taken) {
            self.outcomes.push(member.outcome(taken.at, What::Take(serial, heap)));
        }
    }

    fn named(&mut self, pid: u32, named: Result<Named, Panicked>) {
        let reason = match named {
            Ok(named) => self.attribution.stacks.named(pid, named),
            Err(panicked) => {
                self.attribution.stacks.forget(pid);
                Some(panicked.into())
            }
        };
        if let Some(reason) = reason {
            self.say_of(pid, FeatureChange::off(FEATURE, reason));
        }
        self.stacks_came();
        self.deliver(pid);
    }
}

//! Stacks of JavaScript while watching: whose are walked, what their names are, and the sites of a verdict.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use memwatch_common::{
    names::MAX_STACKS,
    stack::{StackEvent, StackKey, StackLayout, StackVolume},
    target::TaskLayout,
};

use super::{cost::Charge, translate};
use crate::{
    attribute::{self, Sampled, Volumes},
    bpf::stacks::StackMaps,
    ingest,
    model::{Collection, Frame, FrameKind, Stack},
    native::Javascript,
    plan::StackPlan,
    report::record::{self, Body, Feature, IsolateState, Kind, Record, State},
    symbols::js::{Memory, ProcessMemory, Resolver},
    target::Target,
};

/// Name of the feature.
pub(super) const FEATURE: &str = "js_stacks";
/// So many stacks without a single known function: the layout is not what it was taken for.
const TRIAL: u32 = 16;
/// How often a stack is read anew whose functions were moved while they were read.
const ATTEMPTS: u8 = 32;

/// All stacks of one watch.
pub(super) struct Stacks {
    /// `None` if they are not wanted.
    maps: Option<StackMaps>,
    /// Where the kernel keeps what leads to a thread's isolate.
    task: TaskLayout,
    processes: BTreeMap<u32, Process>,
    /// Whether what is forgotten is kept for a profile of the whole watch.
    keeps: bool,
    kept: Volumes,
    /// What stacks of processes that are gone cost them, CPU seconds.
    gone_s: f64,
}

/// Stacks of one process.
struct Process {
    /// How they are walked.
    layout: StackLayout,
    resolver: Resolver<ProcessMemory>,
    known: HashMap<StackKey, Known>,
    /// What was allocated at stacks that had to be forgotten, by thread.
    forgotten: HashMap<u64, Volumes>,
    /// Threads of isolates, by the isolates' serial numbers.
    threads: BTreeMap<u32, u64>,
    trial: Trial,
}

/// A stack with names.
struct Known {
    stack: Stack,
    /// What was allocated there before it was read anew.
    before: StackVolume,
    attempts: u8,
}

/// Whether the layout has proved right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trial {
    /// So many stacks were seen, without a known function.
    Running(u32),
    Passed,
}

impl Stacks {
    /// With `maps`; without them stacks are not wanted. `keeps`: there will be a profile of the whole watch.
    pub(super) fn new(maps: Option<StackMaps>, task: TaskLayout, keeps: bool) -> Self {
        Self { maps, task, processes: BTreeMap::new(), keeps, kept: Volumes::default(), gone_s: 0.0 }
    }

    /// Whether they are wanted.
    pub(super) fn are_wanted(&self) -> bool {
        self.maps.is_some()
    }

    /// Whether those of `pid` are walked.
    pub(super) fn are_of(&self, pid: u32) -> bool {
        self.processes.contains_key(&pid)
    }

    /// The stack on which a collection of `pid` began, if it has come.
    pub(super) fn known(&self, pid: u32, collection: &Collection) -> Option<&Stack> {
        let key = StackKey { thread: thread(pid, collection.tid), hash: collection.stack? };
        self.processes.get(&pid)?.known.get(&key).map(|known| &known.stack)
    }

    /// Begins to walk stacks of a target, or says why not. Once more, if they are not what they were taken for: what was seen so
    /// far is wrong.
    pub(super) fn adopt(&mut self, target: &Target, plan: &Result<StackPlan, String>) -> State {
        let Some(maps) = &mut self.maps else { return State::Off("not wanted: --stacks off".to_owned()) };
        let pid = target.process.id.pid;
        if let Some(before) = self.processes.remove(&pid) {
            let now = plan.as_ref().map_err(Clone::clone).and_then(|plan| memory_and_layout(target, plan));
            if now.is_ok_and(|(_, layout)| layout == before.layout) {
                self.processes.insert(pid, before);
                return State::On;
            }
            maps.stop(pid);
            before.known.into_keys().for_each(|key| maps.forget(key));
        }
        match begin(maps, target, plan) {
            Ok(process) => {
                self.processes.insert(pid, process);
                State::On
            }
            Err(reason) => State::Off(reason),
        }
    }

    /// What it takes to say which JavaScript called what allocates in a target; `None` where that cannot be known.
    pub(super) fn javascript(&self, target: &Target, plan: &StackPlan) -> Option<Javascript> {
        if !self.are_wanted() {
            return None;
        }
        let (_, layout) = memory_and_layout(target, plan).ok()?;
        Some(Javascript { plan: plan.clone(), layout, task: self.task })
    }

    /// Takes in a new stack; if it shows that stacks of its process are not understood: the process, and what to say.
    pub(super) fn event(&mut self, bytes: &[u8]) -> Result<Option<(u32, Body)>, ingest::Malformed> {
        let event = ingest::stack(bytes)?;
        let pid = (event.key.thread >> 32) as u32;
        let (Some(process), Some(maps)) = (self.processes.get_mut(&pid), &mut self.maps) else {
            return Ok(None);
        };
        process.event(maps, &event);
        if process.trial != Trial::Running(TRIAL) {
            return Ok(None);
        }
        let reason = format!("none of {TRIAL} stacks had a function that could be read");
        self.forget(pid);
        Ok(Some((pid, Body::Feature(Feature { name: FEATURE.to_owned(), state: "off".to_owned(), reason }))))
    }

    /// Stacks of a process that is gone, or watched no more.
    pub(super) fn forget(&mut self, pid: u32) {
        let (Some(process), Some(maps)) = (self.processes.remove(&pid), &mut self.maps) else { return };
        self.gone_s += charge(maps, pid).seconds;
        maps.stop(pid);
        let mut gone = Volumes::default();
        process.forgotten.into_values().for_each(|forgotten| gone.add_all(forgotten));
        process.known.into_iter().for_each(|(key, known)| known.end(key, maps, &mut gone));
        self.keep(gone);
    }

    /// Forgets the addresses of all stacks if there are many, for the kernel to have room for others: code that is compiled anew
    /// or moved is another stack, so that there are ever more of them. What was allocated at each is kept.
    pub(super) fn make_room(&mut self) {
        let Some(maps) = &mut self.maps else { return };
        let known: usize = self.processes.values().map(|process| process.known.len()).sum();
        if known > MAX_STACKS as usize / 2 {
            self.processes.values_mut().for_each(|process| process.make_room(maps));
        }
    }

    /// Says in each verdict on the heap of an isolate where its memory comes from.
    pub(super) fn attribute(&mut self, pid: u32, records: &mut [Record]) {
        let (Some(process), Some(maps)) = (self.processes.get_mut(&pid), &mut self.maps) else { return };
        let mut gone = Volumes::default();
        for record in records {
            match &mut record.body {
                Body::Isolate(isolate) => process.isolate(pid, isolate, maps, &mut gone),
                Body::Verdict(verdict) if verdict.kind == Kind::JsHeap => {
                    let thread = verdict.isolate.and_then(|serial| process.threads.get(&serial));
                    verdict.sites = thread.map(|thread| process.sites(*thread, maps)).unwrap_or_default();
                }
                _ => {}
            }
        }
        self.keep(gone);
    }

    /// Everything that was sampled, of all processes, those that are gone included if they are kept.
    pub(super) fn sampled(&self) -> Vec<Sampled<'_>> {
        let Some(maps) = &self.maps else { return Vec::new() };
        let gone = self.kept.sampled();
        gone.chain(self.processes.values().flat_map(|process| process.sampled(maps, |_| true))).collect()
    }

    /// What each process was charged for its stacks so far.
    pub(super) fn charges(&self) -> BTreeMap<u32, Charge> {
        let Some(maps) = &self.maps else { return BTreeMap::new() };
        self.processes.keys().map(|pid| (*pid, charge(maps, *pid))).collect()
    }

    /// What all stacks have cost, of processes that are gone too, CPU seconds.
    pub(super) fn cost_s(&self) -> f64 {
        self.gone_s + self.charges().values().map(|charge| charge.seconds).sum::<f64>()
    }

    fn keep(&mut self, gone: Volumes) {
        if self.keeps {
            self.kept.add_all(gone);
        }
    }
}

/// A thread as the kernel side has it.
fn thread(pid: u32, tid: u32) -> u64 {
    u64::from(pid) << 32 | u64::from(tid)
}

fn charge(maps: &StackMaps, pid: u32) -> Charge {
    let (hits, walks) = maps.hits_and_walks(pid);
    Charge::of(hits, walks)
}

fn begin(maps: &mut StackMaps, target: &Target, plan: &Result<StackPlan, String>) -> Result<Process, String> {
    let plan = plan.as_ref().map_err(Clone::clone)?;
    let pid = target.process.id.pid;
    let (memory, layout) = memory_and_layout(target, plan)?;
    maps.walk(pid, layout).map_err(|error| error.to_string())?;
    let resolver = Resolver::new(memory, plan, PathBuf::from(format!("/proc/{pid}/root")));
    let (known, forgotten) = (HashMap::new(), HashMap::new());
    Ok(Process { layout, resolver, known, forgotten, threads: BTreeMap::new(), trial: Trial::Running(0) })
}

fn memory_and_layout(target: &Target, plan: &StackPlan) -> Result<(ProcessMemory, StackLayout), String> {
    let unreadable = |error| format!("its memory cannot be read: {error}");
    let memory = ProcessMemory::open(target.process.id.pid).map_err(unreadable)?;
    let layout = plan.layout(target.image.bias, target.libc, |address, to| memory.read(address, to));
    let layout = layout.map_err(|why| why.to_string())?;
    Ok((memory, layout))
}

impl Process {
    fn event(&mut self, maps: &mut StackMaps, event: &StackEvent) {
        let stack = self.resolver.stack(event);
        self.judge(&stack);
        let is_known = stack.frames.iter().all(Frame::is_sure);
        let last = self.known.remove(&event.key);
        let (before, attempts) = last.map_or_else(Default::default, |known| (known.before, known.attempts));
        let mut known = Known { stack, before, attempts: attempts.saturating_add(1) };
        if !is_known && known.attempts < ATTEMPTS {
            // Seen again it is sent again, with addresses that are true then.
            known.before = sum(known.before, maps.volume(event.key));
            maps.forget(event.key);
        }
        self.known.insert(event.key, known);
    }

    fn judge(&mut self, stack: &Stack) {
        let has_known =
            stack.frames.iter().any(|frame| frame.kind == FrameKind::JavaScript && frame.file.is_some());
        match self.trial {
            Trial::Running(_) if has_known => self.trial = Trial::Passed,
            Trial::Running(seen) if !stack.frames.is_empty() => self.trial = Trial::Running(seen + 1),
            _ => {}
        }
    }

    /// An isolate came or went. What is known of one that went is of no use: the next one numbers its scripts anew.
    fn isolate(&mut self, pid: u32, isolate: &record::Isolate, maps: &mut StackMaps, gone: &mut Volumes) {
        let thread = thread(pid, isolate.thread);
        if isolate.state != IsolateState::Gone {
            self.threads.insert(isolate.isolate, thread);
            return;
        }
        self.threads.remove(&isolate.isolate);
        self.resolver.forget(thread);
        gone.add_all(self.forgotten.remove(&thread).unwrap_or_default());
        let ended = self.known.extract_if(|key, _| key.thread == thread);
        ended.for_each(|(key, known)| known.end(key, maps, gone));
    }

    fn make_room(&mut self, maps: &mut StackMaps) {
        for (key, known) in self.known.drain() {
            known.end(key, maps, self.forgotten.entry(key.thread).or_default());
        }
    }

    fn sites(&self, thread: u64, maps: &StackMaps) -> Vec<record::Site> {
        let sampled = self.sampled(maps, |of| of == thread);
        attribute::sites(&sampled).into_iter().map(translate::site).collect()
    }

    fn sampled(&self, maps: &StackMaps, wanted: impl Fn(u64) -> bool) -> Vec<Sampled<'_>> {
        let of_interest = self.known.iter().filter(|(key, _)| wanted(key.thread));
        let known = of_interest.map(|(key, known)| sampled(&known.stack, known.volume(*key, maps)));
        let forgotten = self.forgotten.iter().filter(|(thread, _)| wanted(**thread));
        known.chain(forgotten.flat_map(|(_, volumes)| volumes.sampled())).collect()
    }
}

impl Known {
    fn volume(&self, key: StackKey, maps: &StackMaps) -> StackVolume {
        sum(self.before, maps.volume(key))
    }

    /// Adds its last figures to `to`; the kernel side forgets it.
    fn end(self, key: StackKey, maps: &mut StackMaps, to: &mut Volumes) {
        let StackVolume { bytes, samples } = self.volume(key, maps);
        maps.forget(key);
        to.add(self.stack, bytes, samples);
    }
}

fn sampled(stack: &Stack, volume: StackVolume) -> Sampled<'_> {
    Sampled { stack, bytes: volume.bytes, samples: volume.samples }
}

fn sum(one: StackVolume, other: StackVolume) -> StackVolume {
    StackVolume { bytes: one.bytes + other.bytes, samples: one.samples + other.samples }
}

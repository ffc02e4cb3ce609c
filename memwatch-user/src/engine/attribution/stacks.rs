//! Stacks of JavaScript: whose are walked, what was allocated at each, and where the memory of an isolate comes from.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use memwatch_common::{
    names::MAX_STACKS,
    stack::{StackEvent, StackKey, StackLayout, StackVolume},
    survivors::PageLayout,
};

use super::{
    names::{NameJob, Named, Names},
    room,
    survivors::Survivors,
};
use crate::{
    attribute::{self, Alive, Sampled, Site, Volumes},
    bpf::{error::LoadError, stacks::StackMaps},
    engine::{
        cost::Charge,
        features::{FeatureOff, FeatureState},
        outcome::Sites,
    },
    ingest,
    model::{Collection, Frame, FrameKind, Mono, Stack, StackEnd},
    plan::{StackPlan, Unresolved},
    symbols::js::{Memory, ProcessMemory, Resolver},
    target::Target,
};

/// Name of the feature.
pub(crate) const FEATURE: &str = "js_stacks";
/// Name of the feature that objects are followed until they die.
pub(crate) const SURVIVORS: &str = "survivors";
/// So many stacks without a single known function: the layout is not what it was taken for.
const TRIAL: u32 = 16;
/// How often a stack is read anew whose functions were moved while they were read.
const ATTEMPTS: u8 = 32;

/// All stacks of one watch.
pub(crate) struct Stacks {
    /// `None` if they are not wanted.
    maps: Option<StackMaps>,
    /// Since when they are walked, or why they cannot be.
    begun: Option<Result<Mono, FeatureOff>>,
    processes: BTreeMap<u32, Process>,
    /// How many processes there were.
    numbers: u64,
    /// Stacks or names have come since it was last looked what there is to do for them.
    news: bool,
    /// Whether what is forgotten is kept for a profile of the whole watch.
    keeps: bool,
    kept: Volumes,
    /// What stacks of processes that are gone cost them, CPU seconds.
    gone_s: f64,
}

/// What it takes to walk the stacks of a process and to name what is on them. Finding it out reads its memory.
#[derive(Debug)]
pub(crate) struct Walk {
    memory: ProcessMemory,
    pub(crate) layout: StackLayout,
    plan: StackPlan,
}

/// Stacks of one process.
struct Process {
    /// How they are walked.
    layout: StackLayout,
    names: Names,
    known: HashMap<StackKey, Known>,
    /// How many stacks got names.
    numbers: u64,
    /// What was allocated at stacks that had to be forgotten, by thread.
    forgotten: HashMap<u64, Volumes>,
    /// What stands for one whose names were not read.
    unknown: Stack,
    /// Threads of isolates, by the isolates' serial numbers.
    threads: BTreeMap<u32, u64>,
    /// What is alive of what they made, if that is followed.
    survivors: Option<Survivors>,
    trial: Trial,
}

/// A stack with names.
struct Known {
    stack: Stack,
    /// Names are numbered as they come.
    number: u64,
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

impl Walk {
    /// Of `target`, whose file has the `plan`.
    pub(crate) fn of(target: &Target, plan: &StackPlan) -> Result<Self, Unresolved> {
        let unreadable = |error| Unresolved::unreadable("its memory", error);
        let memory = ProcessMemory::open(target.process.id.pid).map_err(unreadable)?;
        let layout = plan.layout(target.image.bias, target.libc, |address, to| memory.read(address, to))?;
        Ok(Self { memory, layout, plan: plan.clone() })
    }
}

impl Stacks {
    /// With `maps`; without them stacks are not wanted. `keeps`: there will be a profile of the whole watch.
    pub(crate) fn new(maps: Option<StackMaps>, keeps: bool) -> Self {
        let (processes, kept) = (BTreeMap::new(), Volumes::default());
        Self { maps, begun: None, processes, numbers: 0, news: false, keeps, kept, gone_s: 0.0 }
    }

    /// Whether they are wanted.
    pub(crate) fn are_wanted(&self) -> bool {
        self.maps.is_some()
    }

    /// Whether those of `pid` are walked.
    pub(crate) fn are_of(&self, pid: u32) -> bool {
        self.processes.contains_key(&pid)
    }

    /// The stack on which a collection of `pid` began, if it has come and has names.
    pub(crate) fn known(&self, pid: u32, collection: &Collection) -> Option<&Stack> {
        let key = key_of(pid, collection)?;
        self.processes.get(&pid)?.known.get(&key).map(|known| &known.stack)
    }

    /// Whether the stack on which a collection of `pid` began has come, and its names have not.
    pub(crate) fn are_awaited(&self, pid: u32, collection: &Collection) -> bool {
        let process = self.processes.get(&pid).zip(key_of(pid, collection));
        process.is_some_and(|(process, key)| process.names.are_awaited(key))
    }

    /// Begins to walk stacks of a target, or says why not. Once more, if they are not what they were taken for: what was seen so
    /// far is wrong.
    pub(crate) fn adopt(&mut self, pid: u32, walk: Result<Walk, FeatureOff>) -> FeatureState {
        let Some(maps) = &mut self.maps else {
            return FeatureState::Off(FeatureOff::NotWanted);
        };
        if let Some(Err(reason)) = &self.begun {
            return FeatureState::Off(reason.clone());
        }
        if let Some(before) = self.processes.remove(&pid) {
            if walk.as_ref().is_ok_and(|walk| walk.layout == before.layout) {
                self.processes.insert(pid, before);
                return FeatureState::On;
            }
            maps.stop(pid);
            before.known.into_keys().chain(before.names.end()).for_each(|key| maps.forget(key));
        }
        self.numbers += 1;
        let process = walk.and_then(|walk| Ok(begin(maps, pid, self.numbers, walk).map_err(Arc::new)?));
        FeatureState::of(process.map(|process| self.processes.insert(pid, process)))
    }

    /// Stacks are walked from `now` on.
    pub(crate) fn begin(&mut self, now: Mono) {
        self.begun = Some(Ok(now));
    }

    /// Whether the stack on which a collection began was to be walked.
    pub(crate) fn are_seen(&self, collection: &Collection) -> bool {
        let begun = self.begun.as_ref().and_then(|begun| begun.as_ref().ok());
        collection.stack.is_some() || begun.is_some_and(|begun| *begun <= collection.start)
    }

    /// None can be walked, in any process, and `why`. Whose were to be.
    pub(crate) fn refuse(&mut self, why: FeatureOff) -> Vec<u32> {
        self.begun = Some(Err(why));
        let pids: Vec<u32> = self.processes.keys().copied().collect();
        for pid in &pids {
            self.forget(*pid);
        }
        pids
    }

    /// Takes in a new stack; its names are to be read.
    pub(crate) fn event(&mut self, bytes: &[u8]) -> Result<(), ingest::Malformed> {
        let event = ingest::stack(bytes)?;
        let pid = (event.key.thread >> 32) as u32;
        if let (Some(process), Some(maps)) = (self.processes.get_mut(&pid), &mut self.maps) {
            process.event(maps, Box::new(event));
            self.news = true;
        }
        Ok(())
    }

    /// Makes room for other stacks if there are many. The names that are to be read next, one job for each process.
    pub(crate) fn jobs(&mut self) -> Vec<(u32, NameJob)> {
        if !std::mem::take(&mut self.news) {
            return Vec::new();
        }
        self.make_room();
        let job = |(pid, process): (&u32, &mut Process)| Some((*pid, process.names.job()?));
        self.processes.iter_mut().filter_map(job).collect()
    }

    /// Takes in names. Why stacks of the process are not walked any more, if these show that they are not understood.
    pub(crate) fn named(&mut self, pid: u32, named: Named) -> Option<FeatureOff> {
        let (process, maps) = (self.processes.get_mut(&pid)?, self.maps.as_mut()?);
        process.named(maps, named);
        self.news = true;
        if process.trial != Trial::Running(TRIAL) {
            return None;
        }
        self.forget(pid);
        Some(FeatureOff::NoFunctions { stacks: TRIAL })
    }

    /// Whether names of any stack are still to come.
    pub(crate) fn have_unnamed(&self) -> bool {
        self.processes.values().any(|process| process.names.pending().next().is_some())
    }

    /// Stacks of a process that is gone, or watched no more.
    pub(crate) fn forget(&mut self, pid: u32) {
        let (Some(process), Some(maps)) = (self.processes.remove(&pid), &mut self.maps) else { return };
        self.gone_s += process.charge(maps, pid).seconds;
        maps.stop(pid);
        let gone = process.end(maps);
        self.keep(gone);
    }

    /// Forgets the addresses of stacks if there are many, for the kernel to have room for others: code that is compiled anew or
    /// moved is another stack, so that there are ever more of them. What was allocated at each is kept.
    fn make_room(&mut self) {
        let Some(maps) = &mut self.maps else { return };
        let known = |(pid, process): (&u32, &Process)| (*pid, process.known.len());
        let mut known: BTreeMap<u32, usize> = self.processes.iter().map(known).collect();
        while let Some((pid, count)) = room::to_forget(&known, MAX_STACKS as usize / 2) {
            let Some(process) = self.processes.get_mut(&pid) else { return };
            process.make_room(maps, count);
            known.insert(pid, process.known.len());
        }
    }

    /// An isolate of `pid` is known from now on.
    pub(crate) fn isolate_began(&mut self, pid: u32, serial: u32, tid: u32) {
        if let Some(process) = self.processes.get_mut(&pid) {
            process.threads.insert(serial, thread(pid, tid));
        }
    }

    /// An isolate of `pid` is gone. What is known of it is of no use: the next one numbers its scripts anew.
    pub(crate) fn isolate_ended(&mut self, pid: u32, serial: u32, tid: u32) {
        let (Some(process), Some(maps)) = (self.processes.get_mut(&pid), &mut self.maps) else { return };
        process.threads.remove(&serial);
        let gone = process.end_thread(maps, thread(pid, tid));
        self.keep(gone);
    }

    /// Follows what `pid` makes from now on, if its stacks are walked and `pages` says how.
    pub(crate) fn follow(&mut self, pid: u32, pages: impl FnOnce() -> Option<PageLayout>) {
        let (Some(process), Some(maps)) = (self.processes.get_mut(&pid), &mut self.maps) else { return };
        if process.survivors.is_some() {
            return;
        }
        let Some(pages) = pages() else { return };
        match maps.survivors.follow(pid, pages) {
            Ok(()) => process.survivors = Some(Survivors::default()),
            Err(error) => log::warn!("what stays of what process {pid} allocates is not known: {error}"),
        }
    }

    /// Addresses of the objects of `pid` that are followed, for a take to tell which of them are reachable.
    pub(crate) fn followed(&mut self, pid: u32) -> HashSet<u64> {
        let (Some(process), Some(maps)) = (self.processes.get_mut(&pid), &self.maps) else {
            return HashSet::new();
        };
        let threads = process.threads.values().copied();
        process
            .survivors
            .as_mut()
            .map(|survivors| survivors.ask(threads, &maps.survivors))
            .unwrap_or_default()
    }

    /// The answer of that take.
    pub(crate) fn reached(&mut self, pid: u32, alive: &HashSet<u64>) {
        let survivors = self.processes.get_mut(&pid).and_then(|process| process.survivors.as_mut());
        if let (Some(survivors), Some(maps)) = (survivors, &self.maps) {
            survivors.reached(alive, &maps.survivors);
        }
    }

    /// Where the memory of an isolate of `pid` comes from: where what is alive was made, or else where it allocates.
    pub(crate) fn sites(&mut self, pid: u32, serial: u32) -> Sites {
        let (Some(process), Some(maps)) = (self.processes.get_mut(&pid), &self.maps) else {
            return Sites::Unknown;
        };
        let Some(thread) = process.threads.get(&serial).copied() else { return Sites::Unknown };
        match process.alive(thread, maps) {
            Some(sites) => Sites::Live(sites),
            None => Sites::Allocated(process.sites(thread, maps)),
        }
    }

    /// Everything that was sampled, of all processes, those that are gone included if they are kept.
    pub(crate) fn sampled(&mut self) -> Vec<Sampled<'_>> {
        let Some(maps) = &self.maps else { return Vec::new() };
        self.processes.values_mut().for_each(|process| process.look_for_alive(maps));
        let gone = self.kept.sampled();
        let processes = self.processes.values();
        gone.chain(processes.flat_map(|process| process.sampled(maps, |_| true))).collect()
    }

    /// What each process was charged for its stacks so far.
    pub(crate) fn charges(&self) -> BTreeMap<u32, Charge> {
        let Some(maps) = &self.maps else { return BTreeMap::new() };
        self.processes.iter().map(|(pid, process)| (*pid, process.charge(maps, *pid))).collect()
    }

    /// What all stacks have cost, of processes that are gone too, CPU seconds.
    pub(crate) fn cost_s(&self) -> f64 {
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

fn key_of(pid: u32, collection: &Collection) -> Option<StackKey> {
    Some(StackKey { thread: thread(pid, collection.tid), hash: collection.stack? })
}

fn begin(maps: &mut StackMaps, pid: u32, number: u64, walk: Walk) -> Result<Process, LoadError> {
    let Walk { memory, layout, plan } = walk;
    maps.walk(pid, layout)?;
    let resolver = Resolver::new(memory, &plan, PathBuf::from(format!("/proc/{pid}/root")));
    Ok(Process {
        layout,
        names: Names::new(number, resolver),
        known: HashMap::new(),
        numbers: 0,
        forgotten: HashMap::new(),
        unknown: unknown(),
        threads: BTreeMap::new(),
        survivors: None,
        trial: Trial::Running(0),
    })
}

impl Process {
    fn charge(&self, maps: &StackMaps, pid: u32) -> Charge {
        let (hits, walks) = maps.hits_and_walks(pid);
        Charge::of(hits, walks, self.survivors.is_some())
    }

    fn event(&mut self, maps: &mut StackMaps, event: Box<StackEvent>) {
        let key = event.key;
        if !self.names.add(event) {
            let attempts = self.known.get(&key).map_or(0, |known| known.attempts);
            self.know(maps, key, unknown(), attempts);
        }
    }

    fn named(&mut self, maps: &mut StackMaps, named: Named) {
        for (key, stack) in self.names.taken(named) {
            self.judge(&stack);
            let attempts = self.known.get(&key).map_or(0, |known| known.attempts);
            self.know(maps, key, stack, attempts.saturating_add(1));
        }
    }

    /// A stack has these names from now on. If not all of them are known, it is asked for anew: met again, it is sent with
    /// addresses that are true then.
    fn know(&mut self, maps: &mut StackMaps, key: StackKey, stack: Stack, attempts: u8) {
        let is_known = stack.frames.iter().all(Frame::is_sure);
        let mut before = self.known.remove(&key).map_or_else(Default::default, |known| known.before);
        if !is_known && attempts < ATTEMPTS {
            before = sum(before, maps.volume(key));
            maps.forget(key);
        }
        self.numbers += 1;
        self.known.insert(key, Known { stack, number: self.numbers, before, attempts });
    }

    fn judge(&mut self, stack: &Stack) {
        let has_known =
            stack.frames.iter().any(|frame| frame.kind == FrameKind::JavaScript && frame.file.is_some());
        match self.trial {
            Trial::Running(_) if has_known => self.trial = Trial::Passed,
            Trial::Running(seen) if !stack.frames.is_empty() => {
                self.trial = Trial::Running((seen + 1).min(TRIAL));
            }
            _ => {}
        }
    }

    /// The stacks of a thread whose isolate is gone: what was allocated there.
    fn end_thread(&mut self, maps: &mut StackMaps, thread: u64) -> Volumes {
        maps.survivors.forget(thread);
        if let Some(survivors) = &mut self.survivors {
            survivors.forget(thread);
        }
        let mut gone = self.forgotten.remove(&thread).unwrap_or_default();
        for key in self.names.forget(thread) {
            self.know(maps, key, unknown(), ATTEMPTS);
        }
        let ended = self.known.extract_if(|key, _| key.thread == thread);
        ended.for_each(|(key, known)| known.end(key, maps, &mut gone));
        gone
    }

    /// All stacks of the process: what was allocated there.
    fn end(self, maps: &mut StackMaps) -> Volumes {
        let Self { names, known, forgotten, threads, .. } = self;
        for thread in threads.into_values() {
            maps.survivors.forget(thread);
        }
        let mut gone = Volumes::default();
        for volumes in forgotten.into_values() {
            gone.add_all(volumes);
        }
        for key in names.end().filter(|key| !known.contains_key(key)) {
            let volume = maps.volume(key);
            gone.add(unknown(), volume.bytes, volume.samples);
            maps.forget(key);
        }
        for (key, known) in known {
            known.end(key, maps, &mut gone);
        }
        gone
    }

    /// Forgets the `count` oldest stacks.
    fn make_room(&mut self, maps: &mut StackMaps, count: usize) {
        let known = self.known.iter().map(|(key, known)| (*key, known.number));
        for key in room::oldest(known, count) {
            if let Some(known) = self.known.remove(&key) {
                if let Some(survivors) = &mut self.survivors {
                    survivors.keep_name(key, &known.stack);
                }
                known.end(key, maps, self.forgotten.entry(key.thread).or_default());
            }
        }
    }

    /// Brings what is known to be alive up to date.
    fn look_for_alive(&mut self, maps: &StackMaps) {
        if let Some(survivors) = &mut self.survivors {
            self.threads.values().for_each(|thread| survivors.update(*thread, &maps.survivors));
        }
    }

    /// What is alive of what a stack made.
    fn alive_at(&self, key: StackKey) -> Alive {
        self.survivors.as_ref().map_or(Alive::default(), |survivors| survivors.at(key))
    }

    /// Where what is alive was made, if enough of it is known to be.
    fn alive(&mut self, thread: u64, maps: &StackMaps) -> Option<Vec<Site>> {
        let survivors = self.survivors.as_mut()?;
        survivors.update(thread, &maps.survivors);
        let alive = survivors.enough(thread)?;
        let stack = |hash| match self.known.get(&StackKey { thread, hash }) {
            Some(known) => &known.stack,
            None => alive.name(hash).unwrap_or(&self.unknown),
        };
        let sampled: Vec<_> = alive.volumes().map(|(hash, volume)| sampled(stack(hash), volume)).collect();
        Some(attribute::sites(&sampled))
    }

    fn sites(&self, thread: u64, maps: &StackMaps) -> Vec<Site> {
        attribute::sites(&self.sampled(maps, |of| of == thread))
    }

    fn sampled(&self, maps: &StackMaps, wanted: impl Fn(u64) -> bool) -> Vec<Sampled<'_>> {
        let of_interest = self.known.iter().filter(|(key, _)| wanted(key.thread));
        let known = of_interest.map(|(key, known)| Sampled {
            alive: self.alive_at(*key),
            ..sampled(&known.stack, known.volume(*key, maps))
        });
        let forgotten = self.forgotten.iter().filter(|(thread, _)| wanted(**thread));
        let unnamed = self.names.pending().filter(|key| wanted(key.thread) && !self.known.contains_key(key));
        let unnamed = unnamed.map(|key| sampled(&self.unknown, maps.volume(*key)));
        known.chain(unnamed).chain(forgotten.flat_map(|(_, volumes)| volumes.sampled())).collect()
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

/// A stack whose names were not read.
fn unknown() -> Stack {
    Stack { frames: vec![Frame::unknown()], end: StackEnd::Truncated }
}

fn sampled(stack: &Stack, volume: StackVolume) -> Sampled<'_> {
    Sampled { stack, bytes: volume.bytes, samples: volume.samples, alive: Alive::default() }
}

fn sum(one: StackVolume, other: StackVolume) -> StackVolume {
    StackVolume { bytes: one.bytes + other.bytes, samples: one.samples + other.samples }
}

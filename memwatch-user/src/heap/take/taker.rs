//! Takes of a running process: stopped, pre-copied or running, whichever is allowed.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use super::{
    Build, Copied, How, Page, Pause, RootWords, Take, TakeError,
    access::{can_be_read, unreadable},
    copying::{self, Clock},
    isolates,
    mappings::{self, Mapping},
    pages, room,
    roots::{self, Place},
    stacks::{self, Stack},
    stop::Stopped,
};
use crate::heap::{graph::IsolateId, memory::ProcessMemory};

/// What is left of an allowed pause for letting the process go on.
const MARGIN: Duration = Duration::from_millis(2);
/// No pause is planned to take more of what is allowed: other programs want the CPU, too.
const PLANNED: f64 = 0.7;

/// Who is about to take: pages and isolates are found, and the memory for their copy is there.
#[derive(Debug)]
pub struct Taker<'a> {
    pid: u32,
    build: &'a Build,
    memory: ProcessMemory,
    mappings: Vec<Mapping>,
    isolates: Vec<(Place, u64)>,
    copied: Copied,
    /// How long finding the pages took.
    search: Duration,
    /// Bytes of memory that the take and its graph need at most.
    needed: u64,
    /// For how long the process stood still so far.
    pause: Duration,
}

/// What was copied beside the pages.
struct Beside {
    roots: Vec<RootWords>,
    stacks: Vec<Stack>,
}

impl<'a> Taker<'a> {
    /// Finds the heap of the process `pid`, which runs `build`.
    pub fn new(pid: u32, build: &'a Build) -> Result<Self, TakeError> {
        can_be_read(pid)?;
        let memory = ProcessMemory::open(pid).map_err(|error| unreadable(pid, &error))?;
        let start = Instant::now();
        let mappings = mappings::of(pid).map_err(|error| unreadable(pid, &error))?;
        let pages = pages::find(pid, &mappings, &BTreeSet::new());
        let search = start.elapsed();
        let isolates = isolates::find(&memory, build.handles, &pages);
        if isolates.is_empty() {
            let why = if pages.is_empty() { "no page of it was found" } else { "no isolate was found" };
            return Err(TakeError::NoHeap { pid, why });
        }
        let needed = room::needed(&pages);
        room::check(needed)?;
        let more = room::later(pages.iter().map(Page::bytes).sum());
        let copied = Copied::new(&pages, more).ok_or(TakeError::TooLittleMemory { needed, available: 0 })?;
        Ok(Self { pid, build, memory, mappings, isolates, copied, search, needed, pause: Duration::ZERO })
    }

    /// Bytes of the pages.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.copied.pages().iter().map(Page::bytes).sum()
    }

    /// Bytes of memory that the take and its graph need at most.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.needed
    }

    /// Takes: stopped if the pause that is allowed is long enough, else pre-copied, else running. What a pause took that was
    /// for nothing is not there for the next one.
    pub fn take(mut self, pause: Pause) -> Result<Take, TakeError> {
        let Pause::AtMost(allowed) = pause else { return self.running() };
        let per_byte = copying::trial(self.pid, self.copied.room(|_| true), &self.mappings);
        if self.is_planned(allowed, per_byte, |_| true)
            && let Some(beside) = self.paused(allowed, Self::copy_all)?
        {
            return Ok(self.finish(How::Stopped, beside));
        }
        let left = allowed.saturating_sub(self.pause);
        if self.is_planned(left, per_byte, |page| page.is_young) {
            self.copy_all(&Clock::endless());
            let changed = |taker: &mut Self, clock: &Clock| taker.copy_changed(clock, per_byte);
            if let Some(beside) = self.paused(left, changed)? {
                return Ok(self.finish(How::Precopied, beside));
            }
        }
        self.running()
    }

    /// Whether a pause of `allowed` is long enough for finding the pages and copying those that are `wanted`.
    fn is_planned(&self, allowed: Duration, per_byte: f64, wanted: impl Fn(&Page) -> bool) -> bool {
        let bytes: u64 = self.copied.pages().iter().filter(|page| wanted(page)).map(Page::bytes).sum();
        let time = self.search.as_secs_f64() + per_byte * bytes as f64;
        time <= allowed.saturating_sub(MARGIN).mul_f64(PLANNED).as_secs_f64()
    }

    /// Runs `copy` while the process stands still; `None` if the time was over before all was copied. By a thread of its
    /// own: what it cannot detach from goes on when the thread ends.
    fn paused(
        &mut self,
        allowed: Duration,
        copy: impl FnOnce(&mut Self, &Clock) -> bool + Send,
    ) -> Result<Option<Beside>, TakeError> {
        let pid = self.pid;
        let clock = Clock::new(allowed.saturating_sub(MARGIN));
        let run = || {
            let stopped = Stopped::stop(pid, clock.end())?;
            let is_whole = copy(self, &clock);
            let beside = is_whole.then(|| self.beside(|| stopped.registers()));
            drop(stopped);
            Ok(beside)
        };
        let result = thread::scope(|scope| scope.spawn(run).join().unwrap_or(Err(TakeError::Gone { pid })));
        self.pause += clock.elapsed();
        match result {
            Err(TakeError::NotStopping { .. }) => Ok(None),
            other => other,
        }
    }

    fn running(mut self) -> Result<Take, TakeError> {
        // What roots refer to is there, if its page is read after them.
        let pid = self.pid;
        let beside = self.beside(|| stacks::running(pid));
        self.copy_all(&Clock::endless());
        if self.copied.is_blank() {
            return Err(TakeError::Gone { pid });
        }
        Ok(self.finish(How::Running, beside))
    }

    /// Copies all pages, those too that came meanwhile.
    fn copy_all(&mut self, clock: &Clock) -> bool {
        let known: BTreeSet<u64> = self.copied.pages().iter().map(|page| page.address).collect();
        let Some(mappings) = self.now() else { return false };
        let new = pages::find(self.pid, &mappings, &known);
        let fits = new.into_iter().all(|page| self.copied.add(page));
        self.mappings = mappings;
        fits && copying::copy(self.pid, self.copied.room(|_| true), &self.mappings, clock)
    }

    /// Copies the pages that may have changed since all were copied.
    fn copy_changed(&mut self, clock: &Clock, per_byte: f64) -> bool {
        let Some(mappings) = self.now() else { return false };
        let before: BTreeMap<u64, Page> =
            self.copied.pages().iter().map(|page| (page.address, *page)).collect();
        let now = pages::find(self.pid, &mappings, &BTreeSet::new());
        let is_changed = |page: &&Page| page.is_young || before.get(&page.address) != Some(*page);
        let changed: Vec<Page> = now.iter().filter(is_changed).copied().collect();
        let bytes: u64 = changed.iter().map(Page::bytes).sum();
        if !clock.has(per_byte * bytes as f64) {
            return false;
        }
        let fits = changed.iter().all(|page| self.copied.replace(*page) || self.copied.add(*page));
        let changed: BTreeSet<u64> = changed.iter().map(|page| page.address).collect();
        self.mappings = mappings;
        let room = self.copied.room(|page| changed.contains(&page.address));
        fits && copying::copy(self.pid, room, &self.mappings, clock)
    }

    fn now(&self) -> Option<Vec<Mapping>> {
        mappings::of(self.pid).ok()
    }

    /// Roots and stacks; `registers` says what threads have in their registers.
    fn beside(&self, registers: impl FnOnce() -> Vec<(u32, Vec<u64>)>) -> Beside {
        let numbered =
            self.isolates.iter().zip(0..).filter(|((place, _), _)| {
                isolates::is_isolate(&self.memory, self.build.handles, place.address)
            });
        let roots = numbered.flat_map(|((place, _), number)| {
            roots::of_isolate(&self.memory, self.build.handles, place, IsolateId(number))
        });
        Beside { roots: roots.collect(), stacks: stacks::read(&self.memory, &self.mappings, registers()) }
    }

    fn finish(self, how: How, beside: Beside) -> Take {
        let Beside { mut roots, stacks } = beside;
        let isolates = stacks::pair(&self.isolates, &stacks, self.copied.pages());
        roots.extend(stacks::roots(&isolates, stacks));
        let (isolates, roots) = stacks::main_first(self.pid, isolates, roots);
        let layout = self.build.layout.clone();
        Take { pid: self.pid, layout, how, pause: self.pause, isolates, roots, copied: self.copied }
    }
}

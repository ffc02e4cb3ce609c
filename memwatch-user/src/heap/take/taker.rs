//! Takes of a running process: stopped or running, whichever is allowed.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use super::{
    Build, Copied, How, Page, Pause, RootWords, Take, TakeError,
    access::{can_be_read, unreadable},
    copying::{self, Clock},
    hot, isolates,
    mappings::{self, Mapping},
    pages, room,
    roots::{self, Place},
    stacks::{self, Registers, Stack},
    stop::Stopped,
    timed::Timed,
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
    /// Finds the heap of the process `pid`, which runs `build`. An error where the take and its graph would need more than `most`
    /// bytes of memory.
    pub fn new(pid: u32, build: &'a Build, most: u64) -> Result<Self, TakeError> {
        can_be_read(pid)?;
        let memory = ProcessMemory::open(pid).map_err(|error| unreadable(pid, &error))?;
        let start = Instant::now();
        let mappings = mappings::of(pid).map_err(|error| unreadable(pid, &error))?;
        let pages = pages::find(pid, &mappings, &BTreeSet::new(), &Clock::endless());
        let search = start.elapsed();
        let isolates = isolates::find(&memory, build.handles, &pages);
        if isolates.is_empty() {
            let why = if pages.is_empty() { "no page of it was found" } else { "no isolate was found" };
            return Err(TakeError::NoHeap { pid, why });
        }
        let needed = room::needed(&pages);
        room::check(needed, most)?;
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

    /// Takes: stopped if the pause that is allowed is long enough, else running. Copying most of it before the pause and the
    /// rest inside of it would be short, but not exact: nothing tells which words of old objects the process wrote meanwhile.
    pub fn take(mut self, pause: Pause) -> Result<Take, TakeError> {
        let Pause::AtMost(allowed) = pause else { return self.running() };
        let per_byte = copying::trial(self.pid, self.copied.room(|_, _| true), &self.mappings);
        if self.is_planned(allowed, per_byte)
            && let Some(beside) = self.paused(allowed)?
        {
            return Ok(self.finish(How::Stopped, beside));
        }
        self.running()
    }

    /// Whether a pause of `allowed` is long enough for finding the pages and copying them.
    fn is_planned(&self, allowed: Duration, per_byte: f64) -> bool {
        let time = self.search.as_secs_f64() + per_byte * self.bytes() as f64;
        time <= allowed.saturating_sub(MARGIN).mul_f64(PLANNED).as_secs_f64()
    }

    /// Copies everything while the process stands still; `None` if the time was over before that was done. By a thread of
    /// its own: what it cannot detach from goes on when the thread ends.
    fn paused(&mut self, allowed: Duration) -> Result<Option<Beside>, TakeError> {
        let pid = self.pid;
        let clock = Clock::new(allowed.saturating_sub(MARGIN));
        let run = || {
            let stopped = Stopped::stop(pid, clock.end())?;
            let is_copied = self.copy_new(&clock, |_, _| true);
            let beside = is_copied.then(|| self.beside(&clock, || stopped.registers()));
            // What was read when the time ran out is not whole.
            let is_whole = !clock.is_over();
            drop(stopped);
            Ok(beside.filter(|_| is_whole))
        };
        let result = thread::scope(|scope| scope.spawn(run).join().unwrap_or(Err(TakeError::Gone { pid })));
        self.pause += clock.elapsed();
        match result {
            Err(TakeError::NotStopping { .. }) => Ok(None),
            other => other,
        }
    }

    /// What is young changes fast, and all that a program does next may hang on it. So it is copied last and at once, with the
    /// old pages that refer to it and right after the roots; what changes in between is what may be missing.
    fn running(mut self) -> Result<Take, TakeError> {
        let (pid, clock) = (self.pid, Clock::endless());
        copying::copy(pid, self.copied.room(|_, page| !page.is_young), &self.mappings, &clock);
        let is_hot = hot::pages(&self.copied);
        let beside = self.beside(&clock, || stacks::running(pid));
        copying::copy(pid, self.copied.room(|number, _| is_hot[number]), &self.mappings, &clock);
        self.copy_new(&clock, |number, page| page.is_young || number >= is_hot.len());
        if self.copied.is_blank() {
            return Err(TakeError::Gone { pid });
        }
        Ok(self.finish(How::Running, beside))
    }

    /// Copies the pages that are `wanted`, by number, those among them that came meanwhile.
    fn copy_new(&mut self, clock: &Clock, wanted: impl Fn(usize, &Page) -> bool) -> bool {
        let known: BTreeSet<u64> = self.copied.pages().iter().map(|page| page.address).collect();
        let Some(mappings) = self.now() else { return false };
        let new = pages::find(self.pid, &mappings, &known, clock);
        let fits = new.into_iter().all(|page| self.copied.add(page));
        self.mappings = mappings;
        fits && copying::copy(self.pid, self.copied.room(wanted), &self.mappings, clock)
    }

    fn now(&self) -> Option<Vec<Mapping>> {
        mappings::of(self.pid).ok()
    }

    /// Roots and stacks; `registers` says what threads have in their registers.
    fn beside(&self, clock: &Clock, registers: impl FnOnce() -> Vec<Registers>) -> Beside {
        let memory = Timed { memory: &self.memory, clock };
        let numbered = self
            .isolates
            .iter()
            .zip(0..)
            .filter(|((place, _), _)| isolates::is_isolate(&memory, self.build.handles, place.address));
        let roots = numbered.flat_map(|((place, _), number)| {
            roots::of_isolate(&memory, self.build.handles, place, IsolateId(number))
        });
        Beside { roots: roots.collect(), stacks: stacks::read(&memory, &self.mappings, registers()) }
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

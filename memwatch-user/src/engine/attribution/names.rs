//! Names for the stacks of one process, read from its memory beside the loop: a process that maps and unmaps all the time
//! (workers that come and go) keeps whoever reads it waiting for the lock on its mappings, for seconds.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

use memwatch_common::stack::{StackEvent, StackKey};

use crate::{
    model::Stack,
    symbols::js::{ProcessMemory, Resolver},
};

/// So many stacks wait for their names at most, 3 KB each; for as many the process is read anew when they are met again.
const MOST_WAITING: usize = 512;
/// How long one job reads: others wait for its thread.
const TURN: Duration = Duration::from_millis(20);

/// The stacks of one process that have no names yet.
pub(super) struct Names {
    /// Tells them apart from those of another process that had the pid, or of another layout.
    number: u64,
    /// Away while names are being read.
    resolver: Option<Resolver<ProcessMemory>>,
    waiting: VecDeque<Box<StackEvent>>,
    /// Those that wait, and those that are being read.
    pending: HashSet<StackKey>,
    /// Threads whose isolates have gone since the resolver went away.
    gone: Vec<u64>,
}

/// Names that are to be read.
pub(crate) struct NameJob {
    number: u64,
    resolver: Resolver<ProcessMemory>,
    stacks: VecDeque<Box<StackEvent>>,
    gone: Vec<u64>,
}

/// Names that were read.
pub(crate) struct Named {
    number: u64,
    resolver: Resolver<ProcessMemory>,
    stacks: Vec<(StackKey, Stack)>,
    /// For which there was no time.
    rest: VecDeque<Box<StackEvent>>,
}

impl NameJob {
    /// Reads at least one of them, and as many as its turn allows.
    pub(crate) fn run(mut self) -> Named {
        let began = Instant::now();
        self.gone.drain(..).for_each(|thread| self.resolver.forget(thread));
        let mut stacks = Vec::new();
        while let Some(event) = self.stacks.pop_front() {
            stacks.push((event.key, self.resolver.stack(&event)));
            if began.elapsed() > TURN {
                break;
            }
        }
        Named { number: self.number, resolver: self.resolver, stacks, rest: self.stacks }
    }
}

impl Names {
    pub(super) fn new(number: u64, resolver: Resolver<ProcessMemory>) -> Self {
        let (waiting, pending) = (VecDeque::new(), HashSet::new());
        Self { number, resolver: Some(resolver), waiting, pending, gone: Vec::new() }
    }

    /// Has a stack wait for its names. Whether there is room for it.
    pub(super) fn add(&mut self, event: Box<StackEvent>) -> bool {
        let has_room = self.waiting.len() < MOST_WAITING;
        if has_room && self.pending.insert(event.key) {
            self.waiting.push_back(event);
        }
        has_room
    }

    /// Whether the names of a stack are still to come.
    pub(super) fn are_awaited(&self, key: StackKey) -> bool {
        self.pending.contains(&key)
    }

    /// The next names to be read, unless there are none or some are being read.
    pub(super) fn job(&mut self) -> Option<NameJob> {
        if self.waiting.is_empty() {
            return None;
        }
        let resolver = self.resolver.take()?;
        let (stacks, gone) = (std::mem::take(&mut self.waiting), std::mem::take(&mut self.gone));
        Some(NameJob { number: self.number, resolver, stacks, gone })
    }

    /// Takes in names; those of isolates that are gone by now are of no use.
    pub(super) fn taken(&mut self, named: Named) -> Vec<(StackKey, Stack)> {
        let Named { number, resolver, mut stacks, mut rest } = named;
        if number != self.number {
            return Vec::new();
        }
        self.resolver = Some(resolver);
        rest.retain(|event| self.pending.contains(&event.key));
        rest.append(&mut self.waiting);
        self.waiting = rest;
        stacks.retain(|(key, _)| self.pending.remove(key));
        stacks
    }

    /// The isolate of a thread is gone: the next one there numbers its scripts anew. The stacks that will have no names.
    pub(super) fn forget(&mut self, thread: u64) -> Vec<StackKey> {
        match &mut self.resolver {
            Some(resolver) => resolver.forget(thread),
            None => self.gone.push(thread),
        }
        self.waiting.retain(|event| event.key.thread != thread);
        self.pending.extract_if(|key| key.thread == thread).collect()
    }

    /// All stacks whose names are still to come.
    pub(super) fn pending(&self) -> impl Iterator<Item = &StackKey> {
        self.pending.iter()
    }

    /// All stacks that will have no names, as the process is gone.
    pub(super) fn end(self) -> impl Iterator<Item = StackKey> {
        self.pending.into_iter()
    }
}

//! One target: what is known of it, its probes, and what has happened to it and waits to be taken in.

use std::{collections::VecDeque, time::Duration};

use super::{
    ending::Ending,
    features::{Feature, FeatureOff},
    judged::process::Process,
    outcome::{Outcome, Subject, What},
    scrape::{ScrapeJob, Scraper},
};
use crate::{
    host::cgroup::{MemoryCgroup, OomScope},
    ingest::Event,
    model::{Mono, ProcessId},
    plan::StackPlan,
    sample::Request,
    target::{Target, process::Program},
};

/// By then V8 has begun in a process that has executed its program: it takes Node 50 ms, and some seconds on a host that is short
/// of everything.
const LONGEST_START: Duration = Duration::from_secs(10);

/// One target.
pub(crate) struct Member {
    pub(crate) id: ProcessId,
    pub(crate) subject: Subject,
    pub(crate) process: Process,
    pub(crate) ending: Ending,
    pub(crate) scraper: Scraper,
    pub(crate) phase: Phase,
    /// Events that are not taken in yet.
    pub(crate) inbox: VecDeque<Event>,
    /// Since when the first of them has been waiting for the names of its stack.
    pub(crate) waits_since: Option<Mono>,
    pub(crate) program: ProgramSeen,
    /// The number of what serves it.
    pub(crate) attachment: u32,
    /// Collections that were seen.
    pub(crate) collections: u64,
    pub(crate) cgroup: Option<MemoryCgroup>,
    /// The cgroup's count of refusals when we were attached.
    pub(crate) limit_hits: Option<u64>,
}

/// The program that a process ran when it was examined.
#[derive(Clone, Copy)]
pub(crate) struct ProgramSeen {
    /// When: what it executed before is not news.
    pub(crate) at: Mono,
    pub(crate) program: Option<Program>,
}

/// How far a target has come.
pub(crate) enum Phase {
    /// It has just executed its program: its loader may not have mapped the C library, and V8 has made no isolate.
    Begins(Box<Newcomer>),
    /// V8 has begun, and what could not be known before is being found out.
    Settles(Box<Newcomed>),
    /// It runs.
    Runs,
}

/// What it takes to find out later what cannot be known when a process begins.
pub(crate) struct Newcomer {
    pub(crate) target: Target,
    /// How its stacks are walked.
    pub(crate) stacks: Result<StackPlan, FeatureOff>,
    pub(crate) rest: Newcomed,
}

/// What it takes to make use of it.
pub(crate) struct Newcomed {
    /// How the stacks that call native code are walked.
    pub(crate) callers: Option<StackPlan>,
    pub(crate) js_stacks: Feature,
}

impl Member {
    pub(crate) fn outcome(&self, at: Mono, what: What) -> Outcome {
        Outcome { subject: self.subject, at, what }
    }

    /// The next scrape, unless one is under way or the target has done nothing since the last.
    pub(crate) fn next_scrape(&mut self, now: Mono, host_available: Option<u64>) -> Option<ScrapeJob> {
        let heaps = || self.process.heaps();
        self.scraper.next(now, || Request { heaps: heaps(), is_thorough: false, host_available })
    }

    /// Whether nothing was heard of the V8 of a newcomer for so long that it was missed.
    pub(crate) fn is_quiet_newcomer(&self, now: Mono) -> bool {
        matches!(self.phase, Phase::Begins(_)) && now.since(self.process.since) >= LONGEST_START
    }

    /// The kernel's OOM killer has killed it: whose memory was short.
    pub(crate) fn oom_scope(&self) -> Option<&'static str> {
        self.cgroup.as_ref()?.oom_scope(self.limit_hits).map(OomScope::name)
    }
}

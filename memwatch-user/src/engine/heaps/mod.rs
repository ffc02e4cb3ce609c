//! When the heaps of which target are read: until it is known whether they grow and what holds that, within one budget for all. What is
//! reachable goes to the judges of the heaps ([`taken`]), what holds it to the verdicts on them ([`mod@holders`]).

pub(super) mod holders;
pub(super) mod take;
pub(super) mod taken;

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use anyhow::Result;

use self::{
    holders::{HeapHolder, held_share, holders},
    take::{Holdings, TakeJob},
    taken::Taken,
};
use crate::{
    detect::{Kind, Level, Verdict},
    heap::questions::Census,
    host::clock,
    model::{Mono, ProcessId},
    sample::activity::{Activity, State},
};

/// Memory that objects of JavaScript hold: array buffers are outside of the heap, and what holds them is in it.
const HELD_BY_OBJECTS: [Kind; 2] = [Kind::JsHeap, Kind::External];
/// Time between two takes: a leak of 1 MB/s has grown by 5 MB, and one of 30 MB/s is not yet too large to be read.
const BETWEEN: Duration = Duration::from_secs(5);
/// So many say what grows: the first, the last but one, and the last.
const TAKES: usize = 3;
/// After the third they become rarer, up to this.
const LONGEST: Duration = Duration::from_secs(300);
/// Takes cost so much of one CPU at most, over all targets, as multiples of the CPU time that the last one took: 5 % until it is
/// known of a target whether its heap grows and what holds it, and for [`URGENT`] at most; then half a percent.
const REST: u32 = 20;
const LONG_REST: u32 = 200;
const URGENT: Duration = Duration::from_secs(180);
/// Takes that fail in a row before a target is left alone.
const MOST_FAILURES: u32 = 3;
/// Targets that are looked at: what is kept of a take are its places, some ten kilobytes.
const MOST_TARGETS: usize = 32;

/// The targets whose heaps are read.
#[derive(Default)]
pub(crate) struct HeapTakes {
    /// Whether that is wanted.
    is_wanted: bool,
    read: BTreeMap<u32, Read>,
    /// A take is being made: one at a time, as each needs memory.
    is_busy: bool,
    next: Mono,
}

/// A target whose heaps are read.
struct Read {
    id: ProcessId,
    /// What the first take showed, the last but one, and the last.
    takes: Vec<Census>,
    next: Mono,
    rest: Duration,
    failures: u32,
    /// A verdict says that what its objects hold grows.
    is_suspected: bool,
    holders: Vec<HeapHolder>,
    /// A verdict was reported before its holders were known.
    is_nameless: bool,
    /// It is not known yet whether a heap of it grows.
    is_undecided: bool,
    /// Since when it is looked at.
    since: Mono,
    /// Whether it does anything: what does nothing is not read again.
    activity: Activity,
}

impl HeapTakes {
    pub(crate) fn new(is_wanted: bool) -> Self {
        Self { is_wanted, ..Self::default() }
    }

    /// How it stands with the heaps of a target.
    pub(crate) fn consider(&mut self, id: ProcessId, level: Level) {
        if self.is_wanted && self.read.len() < MOST_TARGETS {
            self.read.entry(id.pid).or_insert_with(|| Read::new(id));
        }
        if let Some(read) = self.read.get_mut(&id.pid) {
            read.is_undecided = !matches!(level, Level::Stable | Level::Leak);
        }
    }

    /// What holds what the heap of a target grows by, the largest first: for a verdict that says that it grows.
    pub(crate) fn holders_of(&mut self, id: ProcessId, verdict: &Verdict) -> Vec<HeapHolder> {
        if !HELD_BY_OBJECTS.contains(&verdict.kind) || verdict.finding.level < Level::Growing {
            return Vec::new();
        }
        self.suspect(id);
        let Some(read) = self.read.get_mut(&id.pid) else { return Vec::new() };
        read.is_nameless = read.holders.is_empty();
        read.holders.clone()
    }

    /// Kinds of memory of a target whose holders are known by now, and were not when a verdict was reported.
    pub(crate) fn found(&self, pid: u32) -> impl Iterator<Item = Kind> {
        let is_news = self.read.get(&pid).is_some_and(|read| read.is_nameless && !read.holders.is_empty());
        HELD_BY_OBJECTS.into_iter().filter(move |_| is_news)
    }

    /// A verdict on a target says that what its objects hold grows.
    fn suspect(&mut self, id: ProcessId) {
        if self.is_wanted && self.has_room(id.pid) {
            self.read.entry(id.pid).or_insert_with(|| Read::new(id)).suspect();
        }
    }

    /// Whether there is room for `pid`, whose takes matter more than those of a target in which nothing grows.
    fn has_room(&mut self, pid: u32) -> bool {
        if self.read.len() >= MOST_TARGETS && !self.read.contains_key(&pid) {
            let cleared = self.read.iter().find(|(_, read)| read.is_cleared()).map(|(pid, _)| *pid);
            return cleared.is_some_and(|cleared| self.read.remove(&cleared).is_some());
        }
        true
    }

    /// The next take, if it is time for one.
    pub(crate) fn job(&mut self, now: Mono) -> Option<(ProcessId, TakeJob)> {
        if self.is_busy || now < self.next {
            return None;
        }
        let due = self.read.values_mut().filter_map(|read| read.is_due(now).then_some(read));
        let read = due.min_by_key(|read| read.next)?;
        self.is_busy = true;
        Some((read.id, TakeJob { id: read.id, followed: HashSet::new() }))
    }

    /// A take was made: what is to be judged of it. Or it was not: what there is to say if the target is left alone from now on.
    pub(crate) fn taken(
        &mut self,
        id: ProcessId,
        holdings: Result<Holdings>,
    ) -> Result<Taken, Option<anyhow::Error>> {
        let now = clock::now();
        self.is_busy = false;
        let read = self.read.get_mut(&id.pid).filter(|read| read.id == id).ok_or(None)?;
        match holdings {
            Ok(Holdings { census, took, at, reachable, alive }) => {
                read.add(census);
                let pause = took.saturating_mul(if read.is_urgent(now) { REST } else { LONG_REST });
                self.next = now.later(pause);
                read.wait(now, pause);
                Ok(Taken { at, reachable, alive, held_share: read.held_share() })
            }
            Err(error) => Err(read.has_failed(now).then_some(error)),
        }
    }

    /// A target is gone.
    pub(crate) fn forget(&mut self, pid: u32) {
        self.read.remove(&pid);
    }
}

impl Read {
    fn new(id: ProcessId) -> Self {
        let (takes, holders) = (Vec::new(), Vec::new());
        Self {
            id,
            takes,
            next: Mono(0),
            rest: BETWEEN,
            failures: 0,
            is_suspected: false,
            holders,
            is_nameless: false,
            is_undecided: false,
            since: clock::now(),
            activity: Activity::of(id.pid),
        }
    }

    /// From now on it is said if it cannot be read. It is tried again, if that has failed before.
    fn suspect(&mut self) {
        if !std::mem::replace(&mut self.is_suspected, true) && self.failures >= MOST_FAILURES {
            (self.failures, self.next) = (0, Mono(0));
        }
    }

    /// Whether it is time for a take, and there may be something new.
    fn is_due(&mut self, now: Mono) -> bool {
        self.next <= now && self.activity.state(now) == State::Active
    }

    fn add(&mut self, census: Census) {
        if self.takes.len() == TAKES {
            // What grows may not have been there, or of no note, at first.
            self.takes.remove(usize::from(!self.holders.is_empty()));
        }
        self.takes.push(census);
        self.failures = 0;
        if let [first, before, last] = &self.takes[..] {
            self.holders = holders(first, before, last);
        }
    }

    fn wait(&mut self, now: Mono, pause: Duration) {
        self.rest = if self.is_awaited() { BETWEEN } else { (self.rest * 2).min(LONGEST) };
        self.next = now.later(self.rest.max(pause));
    }

    /// Whether somebody waits for what the next take shows.
    fn is_awaited(&self) -> bool {
        self.takes.len() < TAKES || self.is_undecided || self.is_nameless && self.holders.is_empty()
    }

    /// Whether more may be spent on it for what is not known.
    fn is_urgent(&self, now: Mono) -> bool {
        self.is_awaited() && now.since(self.since) < URGENT
    }

    /// See [`Taken::held_share`].
    fn held_share(&self) -> Option<f64> {
        let [_, before, last] = &self.takes[..] else { return None };
        Some(held_share(&self.holders, before, last))
    }

    fn is_cleared(&self) -> bool {
        let is_known = self.takes.len() == TAKES || self.failures >= MOST_FAILURES;
        is_known && self.holders.is_empty() && !self.is_nameless
    }

    /// Whether it failed too often, and somebody would have liked to know.
    fn has_failed(&mut self, now: Mono) -> bool {
        self.failures += 1;
        let is_enough = self.failures >= MOST_FAILURES;
        self.next = now.later(if is_enough { Duration::MAX } else { self.rest });
        is_enough && self.is_suspected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Beyond any pid: of a process that is not there it cannot be told whether it does anything.
    const ID: ProcessId = ProcessId { pid: 1 << 23, start_ticks: 1 };
    const OTHER: ProcessId = ProcessId { pid: (1 << 23) + 1, start_ticks: 2 };

    fn take(took: Duration) -> Holdings {
        Holdings {
            census: Census::default(),
            took,
            at: Mono(0),
            reachable: Vec::new(),
            alive: HashSet::new(),
        }
    }

    fn later(seconds: u64) -> Mono {
        clock::now().later(Duration::from_secs(seconds))
    }

    #[test]
    fn takes_are_made_of_suspects_one_at_a_time_and_with_rests() {
        let mut heaps = HeapTakes::new(true);
        assert!(heaps.job(later(0)).is_none(), "nobody is suspected");
        heaps.suspect(ID);
        heaps.suspect(OTHER);
        let first = heaps.job(later(0)).map(|(id, _)| id);
        assert!(first.is_some() && heaps.job(later(0)).is_none(), "one at a time");
        assert!(heaps.taken(ID, Ok(take(Duration::from_millis(175)))).is_ok());
        assert!(heaps.job(later(3)).is_none(), "not for more than 5 % of a CPU");
        assert_eq!(heaps.job(later(4)).map(|(id, _)| id), Some(OTHER));
        assert!(heaps.taken(OTHER, Ok(take(Duration::ZERO))).is_ok());
        assert!(heaps.job(later(4)).is_none(), "neither is due before five seconds have passed");
        assert!(heaps.job(later(6)).is_some());
        heaps.forget(ID.pid);
        assert!(matches!(heaps.taken(ID, Ok(take(Duration::ZERO))), Err(None)), "it is gone");
    }

    #[test]
    fn who_cannot_be_read_is_left_alone_after_some_attempts() {
        let mut heaps = HeapTakes::new(true);
        heaps.suspect(ID);
        let mut said = Vec::new();
        for attempt in 0..3 {
            assert!(heaps.job(later(11 * attempt)).is_some());
            said.extend(heaps.taken(ID, Err(anyhow::anyhow!("torn"))).err().flatten());
        }
        assert_eq!(said.iter().map(ToString::to_string).collect::<Vec<_>>(), ["torn"]);
        assert!(heaps.job(later(100_000)).is_none());
    }

    /// Most processes leak nothing, and of some (Node 12) no heap can be read: that is said where it was of use.
    #[test]
    fn that_a_heap_cannot_be_read_is_said_once_it_is_suspected() {
        let mut heaps = HeapTakes::new(true);
        let fail = |heaps: &mut HeapTakes| {
            let failures = (0..3).map(|_| heaps.taken(ID, Err(anyhow::anyhow!("unknown"))));
            failures.filter_map(|taken| taken.err().flatten()).count()
        };
        heaps.consider(ID, Level::Inconclusive);
        assert_eq!(fail(&mut heaps), 0);
        assert!(heaps.job(later(100_000)).is_none(), "it is left alone");
        heaps.suspect(ID);
        assert!(heaps.job(later(0)).is_some(), "it is tried again");
        assert_eq!(fail(&mut heaps), 1);
    }

    #[test]
    fn whoever_is_cleared_makes_room_for_the_next() {
        let mut heaps = HeapTakes::new(true);
        let id = |pid| ProcessId { pid, start_ticks: 1 };
        (1..=32).for_each(|pid| heaps.suspect(id(pid)));
        heaps.suspect(id(33));
        assert!(!heaps.read.contains_key(&33), "there is no room");
        for _ in 0..TAKES {
            assert!(heaps.taken(id(5), Ok(take(Duration::ZERO))).is_ok());
        }
        heaps.suspect(id(33));
        assert!(heaps.read.contains_key(&33) && !heaps.read.contains_key(&5));
    }

    #[test]
    fn nobody_is_suspected_where_nothing_is_to_be_explained() {
        let mut heaps = HeapTakes::new(false);
        heaps.suspect(ID);
        assert!(heaps.job(later(0)).is_none());
    }
}

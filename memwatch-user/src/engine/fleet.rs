//! Who is watched, and who is about to be.

use std::collections::{BTreeMap, VecDeque};

use super::{adoption::examine::Examined, member::Member};
use crate::{
    ingest::{Event, What},
    model::ProcessId,
};

/// So many events of a process wait at most while it is examined and attached to, some seconds of a busy one.
const MOST_WAITING: usize = 4096;

/// All processes of one watch.
#[derive(Default)]
pub(crate) struct Fleet(BTreeMap<u32, Seat>);

/// One process.
pub(crate) enum Seat {
    /// It is being examined or attached to.
    Candidate(Candidate),
    /// It is a target.
    Taken(Box<Member>),
}

/// A process that is about to be watched.
pub(crate) struct Candidate {
    pub(crate) stage: Stage,
    pub(crate) begun: Begun,
    /// It was there when the watch began, which waits for it.
    pub(crate) is_awaited: bool,
    /// How often it was examined before it had mapped what it runs.
    pub(crate) looks: u8,
    /// How often it executed another program meanwhile.
    pub(crate) programs: u32,
    /// What has happened to it meanwhile, oldest first.
    pub(crate) inbox: VecDeque<Event>,
}

/// How far it has come.
pub(crate) enum Stage {
    /// It is being examined, or will be soon.
    Examined,
    /// The probes on its binary are on their way.
    Attached(Box<Examined>),
}

/// When the program of a process has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// It has run for a while.
    Earlier,
    /// Its loader may not have mapped the C library, and V8 has made no isolate.
    JustNow,
}

impl Candidate {
    /// One that has just executed a program. `inbox`: what has happened to it since.
    pub(crate) fn new(inbox: VecDeque<Event>) -> Self {
        Self { inbox, ..Self::first(Begun::JustNow, false) }
    }

    /// One that ran already when the watch began.
    pub(crate) fn running() -> Self {
        Self::first(Begun::Earlier, true)
    }

    fn first(begun: Begun, is_awaited: bool) -> Self {
        Self { stage: Stage::Examined, begun, is_awaited, looks: 0, programs: 0, inbox: VecDeque::new() }
    }
}

impl Fleet {
    /// Whether nobody is watched, nor about to be.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A target.
    pub(crate) fn member(&mut self, pid: u32) -> Option<&mut Member> {
        match self.0.get_mut(&pid)? {
            Seat::Taken(member) => Some(member),
            Seat::Candidate(_) => None,
        }
    }

    /// A target, if it is still that process.
    pub(crate) fn member_of(&mut self, id: ProcessId) -> Option<&mut Member> {
        self.member(id.pid).filter(|member| member.id == id)
    }

    /// Whether the beginning of the watch waits for somebody.
    pub(crate) fn awaits(&self) -> bool {
        self.0.values().any(|seat| matches!(seat, Seat::Candidate(candidate) if candidate.is_awaited))
    }

    /// Whether a process is watched or about to be.
    pub(crate) fn has(&self, pid: u32) -> bool {
        self.0.contains_key(&pid)
    }

    /// A process that is about to be watched.
    pub(crate) fn candidate(&mut self, pid: u32) -> Option<&mut Candidate> {
        match self.0.get_mut(&pid)? {
            Seat::Candidate(candidate) => Some(candidate),
            Seat::Taken(_) => None,
        }
    }

    /// All targets.
    pub(crate) fn members(&mut self) -> impl Iterator<Item = &mut Member> {
        self.0.values_mut().filter_map(|seat| match seat {
            Seat::Taken(member) => Some(&mut **member),
            Seat::Candidate(_) => None,
        })
    }

    /// Pids of all targets.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let taken = self.0.iter().filter(|(_, seat)| matches!(seat, Seat::Taken(_)));
        taken.map(|(pid, _)| *pid).collect()
    }

    /// From now on `pid` is that.
    pub(crate) fn put(&mut self, pid: u32, seat: Seat) {
        self.0.insert(pid, seat);
    }

    /// A target is none any more.
    pub(crate) fn remove(&mut self, pid: u32) -> Option<Member> {
        match self.0.remove(&pid)? {
            Seat::Taken(member) => Some(*member),
            Seat::Candidate(_) => None,
        }
    }

    /// Puts an event where it waits to be taken in. Whether there is room; nobody wants those of processes that are neither
    /// watched nor about to be.
    pub(crate) fn post(&mut self, event: Event) -> Posted {
        match self.0.get_mut(&event.pid) {
            Some(Seat::Taken(member)) => member.inbox.push_back(event),
            Some(Seat::Candidate(candidate)) if candidate.inbox.len() >= MOST_WAITING => return Posted::Full,
            Some(Seat::Candidate(candidate)) => {
                // It runs another program: that is looked at as often.
                candidate.looks = if event.what == What::Exec { 0 } else { candidate.looks };
                candidate.inbox.push_back(event);
            }
            None => return Posted::Unwanted(event.what),
        }
        Posted::Waits
    }
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// It waits.
    Waits,
    /// Too many of that process wait.
    Full,
    /// The process is neither watched nor about to be.
    Unwanted(What),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Mono;

    fn exec(pid: u32) -> Event {
        Event { pid, tid: pid, time: Mono(0), what: What::Exec }
    }

    #[test]
    fn what_happens_to_a_candidate_waits_and_is_bounded() {
        let mut fleet = Fleet::default();
        assert_eq!(fleet.post(exec(7)), Posted::Unwanted(What::Exec));
        fleet.put(7, Seat::Candidate(Candidate::new(VecDeque::new())));
        assert!((0..MOST_WAITING).all(|_| fleet.post(exec(7)) == Posted::Waits));
        assert_eq!(fleet.post(exec(7)), Posted::Full);
        assert_eq!(fleet.candidate(7).map(|candidate| candidate.inbox.len()), Some(MOST_WAITING));
        assert!(fleet.member(7).is_none() && !fleet.is_empty());
    }
}

//! Looks at a process from outside: what the kernel, its allocator and V8 keep books of, at an interval. Nothing is stopped,
//! written or brought into memory for it; what cannot be read is `None`.
//!
//! [`activity`] tells for next to nothing whether there can be news. What is cheap whatever the process holds is read every time
//! ([`status`], [`limits`], [`outside`]); what costs in proportion to it ([`descriptors`] by kind, [`resident`], [`malloc`]) when
//! that is asked for and due ([`pace`]).

pub(crate) mod activity;
mod descriptors;
mod limits;
pub mod malloc;
pub(crate) mod outside;
pub(crate) mod pace;
pub(crate) mod proc;
mod resident;
mod status;

use std::{sync::Arc, time::Duration};

use memwatch_common::outside::OutsideLayout;

use self::{
    malloc::{Books, Unreadable},
    pace::Pace,
    resident::Stacks,
    status::Status,
};
use crate::{
    host::{cgroup::MemoryCgroup, freezer::Freezer, own},
    model::{Descriptors, MallocBooks, Mono, Reading, Resident},
    target::maps,
};

/// What to read of a process.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The addresses of its isolates' heaps.
    pub heaps: Vec<u64>,
    /// Whether what costs in proportion to the process is to be read too.
    pub is_thorough: bool,
    /// What the host has left, which is the same for all processes: [`host_available`].
    pub host_available: Option<u64>,
}

impl Request {
    /// Everything that can be read without knowing the isolates.
    #[must_use]
    pub fn everything() -> Self {
        Self { heaps: Vec::new(), is_thorough: true, host_available: host_available() }
    }
}

/// Bytes that programs can still have of the host, by the kernel's own estimate.
#[must_use]
pub fn host_available() -> Option<u64> {
    limits::host_available()
}

/// What costs in proportion to the process; `None` where it is not due.
#[derive(Debug, Default)]
struct Details {
    descriptors: Option<Descriptors>,
    resident: Option<Resident>,
    malloc: Option<MallocBooks>,
}

/// Reads one process again and again.
#[derive(Debug)]
pub struct Sampler {
    pid: u32,
    cgroup: Option<MemoryCgroup>,
    freezer: Freezer,
    outside: OutsideLayout,
    books: Result<Books, Arc<Unreadable>>,
    stacks: Stacks,
    descriptors_due: Pace,
    resident_due: Pace,
    books_due: Pace,
    search_due: Pace,
    details_took: Duration,
}

impl Sampler {
    /// Of the process that has `pid` now, in the memory cgroup that it was found in; `outside` is the way to V8's books.
    #[must_use]
    pub fn new(pid: u32, cgroup: Option<MemoryCgroup>, outside: OutsideLayout) -> Self {
        Self {
            pid,
            cgroup,
            freezer: Freezer::of(pid),
            outside,
            books: locate(pid),
            stacks: Stacks::default(),
            descriptors_due: Pace::seldom(),
            resident_due: Pace::often(),
            books_due: Pace::often(),
            search_due: Pace::seldom(),
            details_took: Duration::ZERO,
        }
    }

    /// Why the allocator's books cannot be read, if they cannot.
    #[must_use]
    pub fn no_books(&self) -> Option<&Arc<Unreadable>> {
        self.books.as_ref().err()
    }

    /// Reads it; `at` is now. The resident set by use, the kinds of descriptors and the allocator's books are `None` where they
    /// are not asked for or not due.
    ///
    /// A large process may take tenths of a second.
    pub fn read(&mut self, at: Mono, request: &Request) -> Reading {
        let pid = self.pid;
        let status = Status::of(pid).unwrap_or_default();
        let details = if request.is_thorough { self.details(at, &status) } else { Details::default() };
        Reading {
            at,
            // Page by page where its parts were read: a heap that a collection shrinks between the two reads would leave the
            // difference unexplained (7.6 MB instead of 1.5 in one of seven reads on a busy machine).
            rss: details.resident.as_ref().map(Resident::total).or(status.rss),
            rss_anon: status.rss_anon,
            swap: status.swap,
            resident: details.resident,
            malloc: details.malloc,
            outside: outside::read(pid, request.heaps.iter().copied(), &self.outside),
            descriptors: details.descriptors.or_else(|| descriptors::counted(pid)),
            threads: status.threads,
            limits: limits::read(pid, self.cgroup.as_ref(), request.host_available),
            suspended: status.is_stopped || self.freezer.is_frozen(),
        }
    }

    /// CPU time that the details took when they were read last.
    #[must_use]
    pub fn details_took(&self) -> Duration {
        self.details_took
    }

    fn details(&mut self, at: Mono, status: &Status) -> Details {
        let (pid, before) = (self.pid, own::thread_cpu());
        let details = Details {
            descriptors: self.descriptors_due.run(at, || descriptors::by_kind(pid)).flatten(),
            resident: self.resident_due.run(at, || resident::read(pid, &mut self.stacks)).flatten(),
            malloc: self.malloc(at, status.swap),
        };
        self.details_took = own::thread_cpu().saturating_sub(before);
        details
    }

    /// The allocator's books. Free blocks that were swapped out would come back with the reading: then it is left.
    ///
    /// They are looked for again where they were not found: a process that has just executed its program has not mapped
    /// its allocator yet.
    fn malloc(&mut self, at: Mono, swap: Option<u64>) -> Option<MallocBooks> {
        if self.books.is_err()
            && let Some(found) = self.search_due.run(at, || locate(self.pid))
        {
            self.books = found;
        }
        let is_swapped = swap.is_some_and(|bytes| bytes > 0);
        let books = self.books.as_ref().ok().filter(|_| !is_swapped)?;
        self.books_due.run(at, || books.read()).flatten()
    }
}

fn locate(pid: u32) -> Result<Books, Arc<Unreadable>> {
    let unread = |source| Unreadable::Io { path: format!("/proc/{pid}/maps"), source };
    Ok(Books::locate(pid, &maps::of(pid).map_err(unread)?)?)
}

#[cfg(test)]
mod tests {
    use std::{fs, process};

    use super::*;
    use crate::{host::clock, model::Limits};

    #[test]
    fn ourselves() {
        let files: Vec<_> = (0..10).map(|_| fs::File::open("/proc/self/stat").unwrap()).collect();
        let mut sampler = Sampler::new(process::id(), None, OutsideLayout::UNKNOWN);
        let reading = sampler.read(clock::now(), &Request::everything());
        assert!(reading.rss.unwrap() >= reading.rss_anon.unwrap() && reading.rss_anon.unwrap() > 0);
        assert!(reading.threads.unwrap() >= 1 && !reading.suspended);
        assert!(reading.descriptors.unwrap().files.unwrap() >= files.len() as u64);
        assert!(reading.limits.host_available.unwrap() > 0 && reading.limits.descriptors.unwrap() > 0);
        let resident = reading.resident.unwrap();
        // Other tests of this process forge pages of V8's: its heap may be there, too.
        assert!(resident.files > 0 && resident.stacks > 0, "{resident:?}");
        assert!(sampler.details_took() > Duration::ZERO);
        assert_eq!(sampler.read(clock::now(), &Request::everything()).resident, None, "not due yet");
    }

    #[test]
    fn the_dear_parts_only_when_they_are_asked_for() {
        let mut sampler = Sampler::new(process::id(), None, OutsideLayout::UNKNOWN);
        let quick = sampler.read(clock::now(), &Request::default());
        assert!(quick.rss.unwrap() > 0 && quick.threads.unwrap() >= 1);
        assert_eq!((quick.resident, quick.malloc, quick.limits.host_available), (None, None, None));
        assert!(sampler.read(clock::now(), &Request::everything()).resident.is_some());
    }

    #[test]
    fn no_such_process() {
        let reading =
            Sampler::new(u32::MAX, None, OutsideLayout::UNKNOWN).read(Mono(7), &Request::everything());
        let host_available = reading.limits.host_available;
        let limits = Limits { host_available, ..Limits::default() };
        assert_eq!(reading, Reading { at: Mono(7), limits, ..Reading::default() });
    }
}

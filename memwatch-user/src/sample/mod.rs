//! Looks at a process from outside: what the kernel keeps of it in /proc, at an interval. Nothing is stopped, written or
//! brought into memory for it; what cannot be read is `None`.
//!
//! What is cheap whatever the process holds is read every time ([`status`], [`limits`]); what costs in proportion to it
//! ([`descriptors`] by kind, [`resident`]) when it is due ([`pace`]).

mod descriptors;
mod limits;
mod pace;
mod proc;
mod resident;
mod status;

use self::{pace::Pace, resident::Stacks, status::Status};
use crate::{
    host::{cgroup::MemoryCgroup, freezer::Freezer},
    model::{Mono, Reading},
};

/// Reads one process again and again.
#[derive(Debug)]
pub struct Sampler {
    pid: u32,
    cgroup: Option<MemoryCgroup>,
    freezer: Freezer,
    stacks: Stacks,
    descriptors_due: Pace,
    resident_due: Pace,
}

impl Sampler {
    /// Of the process that has `pid` now, in the memory cgroup that it was found in.
    #[must_use]
    pub fn new(pid: u32, cgroup: Option<MemoryCgroup>) -> Self {
        Self {
            pid,
            cgroup,
            freezer: Freezer::of(pid),
            stacks: Stacks::default(),
            descriptors_due: Pace::seldom(),
            resident_due: Pace::often(),
        }
    }

    /// Reads it; `at` is now. The resident set by use and the kinds of descriptors are `None` where they are not due. What
    /// the allocator and V8 say of themselves is left to others.
    pub fn read(&mut self, at: Mono) -> Reading {
        let pid = self.pid;
        let status = Status::of(pid).unwrap_or_default();
        let kinds = self.descriptors_due.run(at, || descriptors::by_kind(pid)).flatten();
        let resident = self.resident_due.run(at, || resident::read(pid, &mut self.stacks)).flatten();
        Reading {
            at,
            rss: status.rss,
            rss_anon: status.rss_anon,
            swap: status.swap,
            resident,
            descriptors: kinds.or_else(|| descriptors::counted(pid)),
            threads: status.threads,
            limits: limits::read(pid, self.cgroup.as_ref()),
            suspended: status.is_stopped || self.freezer.is_frozen(),
            ..Reading::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, process};

    use super::*;
    use crate::{host::clock, model::Limits};

    #[test]
    fn ourselves() {
        let files: Vec<_> = (0..10).map(|_| fs::File::open("/proc/self/stat").unwrap()).collect();
        let mut sampler = Sampler::new(process::id(), None);
        let reading = sampler.read(clock::now());
        assert!(reading.rss.unwrap() >= reading.rss_anon.unwrap() && reading.rss_anon.unwrap() > 0);
        assert!(reading.threads.unwrap() >= 1 && !reading.suspended);
        assert!(reading.descriptors.unwrap().files.unwrap() >= files.len() as u64);
        assert!(reading.limits.host_available.unwrap() > 0 && reading.limits.descriptors.unwrap() > 0);
        let resident = reading.resident.unwrap();
        assert!(resident.files > 0 && resident.stacks > 0 && resident.v8_heap == 0, "{resident:?}");
        assert_eq!(sampler.read(clock::now()).resident, None, "not due yet");
    }

    #[test]
    fn no_such_process() {
        let reading = Sampler::new(u32::MAX, None).read(Mono(7));
        let host_available = reading.limits.host_available;
        let limits = Limits { host_available, ..Limits::default() };
        assert_eq!(reading, Reading { at: Mono(7), limits, ..Reading::default() });
    }
}

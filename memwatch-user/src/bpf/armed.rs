//! Live probes on one process's allocator: one link for many where the kernel has that, else one for each.

use std::{
    num::NonZeroU32,
    os::fd::OwnedFd,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use aya::{
    Ebpf,
    programs::{
        ProgramError,
        uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope},
    },
};

use super::{
    attach::{AttachError, detach_links, loaded_uprobe},
    multi::{Point, Programs},
};
use crate::plan::malloc::Use;

/// How long a breakpoint stays after its link of many was closed: 0.3 to 4 ms (measured on 6.18 in a storm of allocations).
const MULTI_STAYS: Duration = Duration::from_millis(4);

/// Live probes on an allocator; they go when this is dropped, one after another. [`Armed::disarm`] is faster.
#[derive(Debug)]
pub enum Armed {
    /// A link each.
    Single(Vec<UProbeLink>),
    /// Links of many, in the order of arming.
    Multi(Vec<OwnedFd>),
}

impl Armed {
    /// Arms each place of `uses` in the process `pid`.
    pub(super) fn singly(
        ebpf: &mut Ebpf,
        pid: NonZeroU32,
        file: &Path,
        uses: &[Use<'_>],
    ) -> Result<Self, AttachError> {
        let links = uses.iter().map(|one| link(ebpf, pid, file, one));
        links.collect::<Result<_, _>>().map(Self::Single)
    }

    /// The same with a link for each program, and one for its busy places.
    pub(super) fn many(
        programs: &mut Programs,
        pid: NonZeroU32,
        file: &Path,
        uses: &[Use<'_>],
    ) -> Result<Self, AttachError> {
        let arm = |alike: &[Use<'_>]| {
            let point = |one: &Use<'_>| Point { file_offset: one.probe.file_offset, cookie: one.cookie };
            let points: Vec<Point> = alike.iter().map(point).collect();
            let link = programs.link(alike[0].program, file, &points, pid);
            link.map_err(|source| refused(&alike[0], file, source))
        };
        let links = uses.chunk_by(|one, next| (one.busy, one.program) == (next.busy, next.program)).map(arm);
        links.collect::<Result<_, _>>().map(Self::Multi)
    }

    /// Takes the probes away, those of the busiest places first. Blocks for some hundredths of a second where the kernel
    /// links many at once, else for up to a second. How long the target met their breakpoints meanwhile.
    #[must_use = "the target paid for it"]
    pub fn disarm(self) -> Duration {
        match self {
            Self::Single(links) => {
                let since = Instant::now();
                detach_links(links);
                since.elapsed()
            }
            Self::Multi(links) => {
                thread::scope(|threads| {
                    for link in links.into_iter().rev() {
                        threads.spawn(move || drop(link));
                    }
                });
                MULTI_STAYS
            }
        }
    }
}

fn link(ebpf: &mut Ebpf, pid: NonZeroU32, file: &Path, one: &Use<'_>) -> Result<UProbeLink, AttachError> {
    let location = UProbeAttachLocation::AbsoluteOffset(one.probe.file_offset);
    // None is 0 to the program, and kernels before 5.15 take none.
    let point = UProbeAttachPoint { location, cookie: (one.cookie != 0).then_some(one.cookie) };
    let program = loaded_uprobe(ebpf, one.program)?;
    let link = program.attach(point, file, UProbeScope::OneProcess(pid)).and_then(|id| program.take_link(id));
    link.map_err(|source| refused(one, file, source))
}

fn refused(one: &Use<'_>, file: &Path, source: ProgramError) -> AttachError {
    AttachError::Attach {
        program: one.program.to_owned(),
        file_offset: one.probe.file_offset,
        file: file.display().to_string(),
        source: Box::new(source),
    }
}

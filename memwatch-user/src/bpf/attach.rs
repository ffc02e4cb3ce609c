//! A plan's probes, live on one binary.
//!
//! A probe on V8 is attached to the file for all processes and filtered in the handler: a probe scoped to a process is
//! a perf event that the scheduler switches in and out with its threads. What tells processes and files apart is the
//! attachment's number, carried as the probe's cookie. Kernels before 5.15 have no cookies: there, and only there, each
//! process gets probes of its own.

use std::{error::Error, fs::File, io, num::NonZeroU32, os::fd::AsRawFd, path::PathBuf};

use aya::{
    Ebpf,
    programs::{
        ProgramError, UProbe,
        uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope},
    },
};

use super::{
    error::{LoadError, in_program},
    load::Programs,
};
use crate::{plan::ProbeSite, target::Image};

/// Where one probe goes.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Name of the program.
    pub program: &'a str,
    /// Offset in the file.
    pub file_offset: u64,
}

/// Why a probe could not be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The program could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The file cannot be held open.
    #[error("cannot keep {file} open: {source}")]
    File {
        /// Which.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// The kernel refused the probe.
    #[error("cannot attach {program} at offset {file_offset:#x} of {file}: {source}; {}", advice(source))]
    Attach {
        /// Which program.
        program: String,
        /// Where.
        file_offset: u64,
        /// In which file.
        file: String,
        /// Why.
        source: Box<ProgramError>,
    },
}

/// What to try after a probe was refused.
fn advice(error: &ProgramError) -> &'static str {
    let causes = std::iter::successors(Some(error as &(dyn Error + 'static)), cause);
    let mut refusals = causes.filter_map(|cause| cause.downcast_ref::<io::Error>());
    if refusals.any(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        "probes take CAP_SYS_ADMIN (before Linux 6.16: CAP_PERFMON): run as root, for example with sudo"
    } else {
        "is the target still running?"
    }
}

fn cause<'e>(error: &&'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    (*error).source()
}

impl<'a> From<&'a ProbeSite> for Place<'a> {
    fn from(site: &'a ProbeSite) -> Self {
        Self { program: &site.program, file_offset: site.file_offset }
    }
}

/// The file that probes go to, held open: names lead elsewhere by the time.
#[derive(Debug)]
pub struct Binary {
    file: File,
    /// Its name in a process that has it mapped, fit to be shown.
    name: String,
}

impl Binary {
    /// The very file that a process has mapped.
    pub fn of(image: &Image) -> Result<Self, AttachError> {
        let name = image.path.clone();
        match image.elf.descriptor() {
            Ok(file) => Ok(Self { file, name }),
            Err(source) => Err(AttachError::File { file: name, source }),
        }
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

/// Live probes on one binary. Dropping it detaches them, one after another; [`detach_all`] is faster.
#[derive(Debug)]
pub struct Attachment {
    /// Its number: cookie of its probes, index of its heap layout.
    pub number: u32,
    links: Vec<UProbeLink>,
}

/// Whose hits of the probes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of every process that has the file mapped and is a target; probes carry the attachment's number.
    File,
    /// Of this process only.
    Process(NonZeroU32),
}

impl Programs {
    /// Attaches programs to a binary, in the order given.
    pub fn attach(
        &mut self,
        number: u32,
        binary: &Binary,
        scope: Scope,
        places: &[Place<'_>],
    ) -> Result<Attachment, AttachError> {
        let attach = |place: &Place<'_>| self.attach_one(number, binary, scope, *place);
        let links = places.iter().map(attach).collect::<Result<_, _>>()?;
        Ok(Attachment { number, links })
    }

    fn attach_one(
        &mut self,
        number: u32,
        binary: &Binary,
        scope: Scope,
        place: Place<'_>,
    ) -> Result<UProbeLink, AttachError> {
        let program = loaded_uprobe(&mut self.ebpf, place.program)?;
        let location = UProbeAttachLocation::AbsoluteOffset(place.file_offset);
        let (cookie, scope) = match scope {
            Scope::File => (Some(u64::from(number)), UProbeScope::AllProcesses),
            Scope::Process(pid) => (None, UProbeScope::OneProcess(pid)),
        };
        program
            .attach(UProbeAttachPoint { location, cookie }, binary.path(), scope)
            .and_then(|id| program.take_link(id))
            .map_err(|source| AttachError::Attach {
                program: place.program.to_owned(),
                file_offset: place.file_offset,
                file: binary.name.clone(),
                source: Box::new(source),
            })
    }
}

/// The program of that name, loaded by now.
pub(super) fn loaded_uprobe<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut UProbe, LoadError> {
    let failed = in_program(name);
    let program = ebpf.program_mut(name).ok_or(LoadError::Missing("program that a plan names"))?;
    let program: &mut UProbe = program.try_into().map_err(&failed)?;
    if program.fd().is_err() {
        program.load().map_err(&failed)?;
    }
    Ok(program)
}

/// Detaches everything, side by side: the kernel waits for a grace period at each probe (some hundredths of a second),
/// and waits that overlap share it.
pub fn detach_all(attachments: impl IntoIterator<Item = Attachment>) {
    detach_links(attachments.into_iter().flat_map(|attachment| attachment.links));
}

/// The same of single probes.
pub(super) fn detach_links(links: impl IntoIterator<Item = UProbeLink>) {
    std::thread::scope(|threads| {
        for link in links {
            threads.spawn(move || drop(link));
        }
    });
}

#[cfg(test)]
mod tests {
    use aya::sys::SyscallError;

    use super::*;

    #[test]
    fn a_refusal_names_the_capability() {
        let refused = |errno: rustix::io::Errno| {
            let source = SyscallError { call: "perf_event_open", io_error: errno.into() };
            let source = Box::new(ProgramError::from(source));
            let (program, file) = ("gc_enter".to_owned(), "node".to_owned());
            AttachError::Attach { program, file_offset: 16, file, source }.to_string()
        };
        assert!(refused(rustix::io::Errno::ACCESS).contains("CAP_SYS_ADMIN"));
        assert!(refused(rustix::io::Errno::NOENT).ends_with("is the target still running?"));
    }
}

//! The profile of a whole watch, as files.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Context, Result};

use super::out_file::OutFile;
use crate::{
    attribute::{self, Sampled},
    cli::job::ProfileFiles,
    plan::STACK_INTERVAL,
};

/// What is in one kind of file.
type Contents = fn(&[Sampled<'_>]) -> io::Result<Vec<u8>>;

/// Files that are open already: a name that cannot be written is known before anything is attached.
#[derive(Default)]
pub(super) struct Profiles(Vec<(OutFile, Contents)>);

impl Profiles {
    /// Opens what is wanted. What is in a file stays there until there is something to put in its place.
    pub(super) fn create(wanted: &ProfileFiles) -> Result<Self> {
        let kinds: [(&Option<PathBuf>, Contents); 3] =
            [(&wanted.pprof, pprof), (&wanted.flamegraph, flamegraph), (&wanted.collapsed, collapsed)];
        let named =
            kinds.into_iter().filter_map(|(path, contents)| path.as_deref().map(|path| (path, contents)));
        named.map(|(path, contents)| Ok((OutFile::open(path)?, contents))).collect::<Result<_>>().map(Self)
    }

    /// Whether any is wanted.
    pub(super) fn are_wanted(&self) -> bool {
        !self.0.is_empty()
    }

    /// Writes them all, whatever becomes of one of them; what went wrong.
    pub(super) fn write(self, sampled: &[Sampled<'_>]) -> Vec<anyhow::Error> {
        let write = |(file, contents): (OutFile, Contents)| {
            let path = file.path.clone();
            let written = contents(sampled).and_then(|bytes| file.write(bytes));
            written.with_context(|| format!("cannot write {}", path.display())).err()
        };
        self.0.into_iter().filter_map(write).collect()
    }
}

fn pprof(sampled: &[Sampled<'_>]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    attribute::pprof(sampled, STACK_INTERVAL, &mut bytes)?;
    Ok(bytes)
}

/// inferno refuses to draw nothing.
fn flamegraph(sampled: &[Sampled<'_>]) -> io::Result<Vec<u8>> {
    if sampled.iter().all(|one| one.bytes == 0) {
        return Err(io::Error::other("nothing was sampled"));
    }
    let mut bytes = Vec::new();
    attribute::flamegraph(sampled, &mut bytes)?;
    Ok(bytes)
}

fn collapsed(sampled: &[Sampled<'_>]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for line in attribute::collapsed(sampled) {
        writeln!(bytes, "{line}")?;
    }
    Ok(bytes)
}

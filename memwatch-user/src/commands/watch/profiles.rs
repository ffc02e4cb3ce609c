//! The profile of a whole watch, as files.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    attribute::{self, Sampled},
    cli::job::ProfileFiles,
    plan::STACK_INTERVAL,
};

/// How one kind of file is written.
type Writer = fn(&[Sampled<'_>], BufWriter<File>) -> io::Result<()>;

/// Files that are open already: a name that cannot be written is known before anything is attached.
pub(super) struct Profiles(Vec<(PathBuf, File, Writer)>);

impl Profiles {
    /// Opens what is wanted. What is in a file stays there until there is something to put in its place.
    pub(super) fn create(wanted: &ProfileFiles) -> Result<Self> {
        let kinds: [(&Option<PathBuf>, Writer); 3] =
            [(&wanted.pprof, pprof), (&wanted.flamegraph, flamegraph), (&wanted.collapsed, collapsed)];
        let named = kinds.into_iter().filter_map(|(path, writer)| path.as_deref().map(|path| (path, writer)));
        let open = |(path, writer): (&Path, Writer)| {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
            let file = file.with_context(|| format!("cannot write {}", path.display()))?;
            Ok((path.to_owned(), file, writer))
        };
        named.map(open).collect::<Result<_>>().map(Self)
    }

    /// Whether any is wanted.
    pub(super) fn are_wanted(&self) -> bool {
        !self.0.is_empty()
    }

    /// Writes them all.
    pub(super) fn write(self, sampled: &[Sampled<'_>]) -> Result<()> {
        for (path, file, writer) in self.0 {
            // Pipes and terminals have no length.
            let emptied = if file.metadata().is_ok_and(|of| of.is_file()) { file.set_len(0) } else { Ok(()) };
            let written = emptied.and_then(|()| writer(sampled, BufWriter::new(file)));
            written.with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

fn pprof(sampled: &[Sampled<'_>], mut to: BufWriter<File>) -> io::Result<()> {
    attribute::pprof(sampled, STACK_INTERVAL, &mut to)?;
    to.flush()
}

/// inferno refuses to draw nothing.
fn flamegraph(sampled: &[Sampled<'_>], mut to: BufWriter<File>) -> io::Result<()> {
    if sampled.iter().all(|one| one.bytes == 0) {
        return Err(io::Error::other("nothing was sampled"));
    }
    attribute::flamegraph(sampled, &mut to)?;
    to.flush()
}

fn collapsed(sampled: &[Sampled<'_>], mut to: BufWriter<File>) -> io::Result<()> {
    for line in attribute::collapsed(sampled) {
        writeln!(to, "{line}")?;
    }
    to.flush()
}

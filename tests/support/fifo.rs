//! A FIFO that is full: whoever writes to it waits until somebody reads.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, ensure};
use rustix::{fs::OFlags, pipe::fcntl_setpipe_size};

/// A FIFO.
#[derive(Debug)]
pub struct Fifo {
    path: PathBuf,
    /// Keeps it open for reading, so that it can be opened for writing.
    end: File,
}

impl Fifo {
    /// The FIFO `name` in `directory`, with executable permission.
    pub fn new(directory: &Path, name: &str) -> Result<Self> {
        let path = directory.join(name);
        let status = Command::new("mkfifo").arg("--mode=755").arg(&path).status()?;
        ensure!(status.success(), "cannot make {}", path.display());
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        let end = OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open(&path)?;
        Ok(Self { path, end })
    }

    /// The same with no room for another byte. What is in it are empty lines.
    pub fn full(directory: &Path, name: &str) -> Result<Self> {
        let mut fifo = Self::new(directory, name)?;
        let size = fcntl_setpipe_size(&fifo.end, 4096)?;
        fifo.end.write_all(&vec![b'\n'; size])?;
        let one_more = fifo.end.write(b"\n").map_err(|error| error.kind());
        ensure!(one_more == Err(io::ErrorKind::WouldBlock), "not full: {one_more:?}");
        Ok(fifo)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it, up to its end: when the last who has it open for writing closes it. Somebody must have by now.
    pub fn reader(self) -> Result<impl Iterator<Item = io::Result<String>>> {
        let reader = File::open(&self.path)?;
        drop(self.end);
        let is_wanted = |line: &io::Result<String>| line.as_ref().map_or(true, |line| !line.is_empty());
        Ok(BufReader::new(reader).lines().filter(is_wanted))
    }
}

//! A file that a report is written to: opened before anything is attached, and as it was until there is something to write.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// How long a pipe, which may have nobody who reads it, may take what is written at the end.
const GRACE: Duration = Duration::from_millis(300);

/// A file to write.
#[derive(Debug)]
pub(super) struct OutFile {
    pub(super) path: PathBuf,
    file: File,
}

impl OutFile {
    /// Opens it. A FIFO that nobody reads is an error: opening it would wait for a reader.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let open = |path| {
            let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).custom_flags(nonblocking);
            let file = options.open(path).map_err(explain)?;
            let flags = fcntl_getfl(&file)?;
            fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
            Ok(file)
        };
        let file = open(path).map_err(|error: io::Error| error);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// To be written from its beginning.
    pub(super) fn begin(self) -> io::Result<File> {
        // Pipes and terminals have no length.
        if self.is_regular() {
            self.file.set_len(0)?;
        }
        Ok(self.file)
    }

    /// Writes all of it; where that may wait for a reader, for a moment only.
    pub(super) fn write(self, bytes: Vec<u8>) -> io::Result<()> {
        let is_regular = self.is_regular();
        let mut file = self.begin()?;
        if is_regular {
            return file.write_all(&bytes);
        }
        let (sender, receiver) = mpsc::channel();
        // Nobody listens any more once the time is up.
        thread::spawn(move || drop(sender.send(file.write_all(&bytes))));
        let nobody_reads = |_| io::Error::new(io::ErrorKind::TimedOut, "it is not being read");
        receiver.recv_timeout(GRACE).map_err(nobody_reads)?
    }

    fn is_regular(&self) -> bool {
        self.file.metadata().is_ok_and(|of| of.is_file())
    }
}

fn explain(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) {
        return io::Error::new(error.kind(), "nobody reads this FIFO; start its reader first");
    }
    error
}

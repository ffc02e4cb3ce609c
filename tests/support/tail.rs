//! The output of a child process, as a file that is read while it grows.
//!
//! A file and not a pipe: nobody waits for a slow reader, and what a killed child has written is all there.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

/// How often the file is looked at.
const POLL: Duration = Duration::from_millis(3);

/// Reads the lines of a growing file.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    reader: File,
    partial: Vec<u8>,
    lines: Vec<String>,
}

impl Tail {
    /// Creates the file `name` in `directory`; it must not exist.
    pub fn new(directory: &Path, name: &str) -> Result<Self> {
        let path = directory.join(name);
        File::create_new(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let reader = File::open(&path)?;
        Ok(Self { path, reader, partial: Vec::new(), lines: Vec::new() })
    }

    /// The file, for a child to append to.
    pub fn stdio(&self) -> Result<Stdio> {
        Ok(File::options().append(true).open(&self.path)?.into())
    }

    /// All lines that are complete by now.
    pub fn lines(&mut self) -> Result<&[String]> {
        self.reader.read_to_end(&mut self.partial)?;
        while let Some(end) = self.partial.iter().position(|&byte| byte == b'\n') {
            let line = self.partial.drain(..=end).collect::<Vec<_>>();
            self.lines.push(String::from_utf8_lossy(&line[..end]).into_owned());
        }
        Ok(&self.lines)
    }

    /// All that was written, as it was written.
    pub fn text(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.path)?).into_owned())
    }

    /// Asks `found` of the lines until it answers or `time` has passed.
    pub fn wait<T>(
        &mut self,
        time: Duration,
        mut found: impl FnMut(&[String]) -> Option<T>,
    ) -> Result<Option<T>> {
        let deadline = Instant::now() + time;
        loop {
            if let Some(answer) = found(self.lines()?) {
                return Ok(Some(answer));
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            thread::sleep(POLL);
        }
    }
}

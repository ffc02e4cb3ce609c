//! A memory cgroup of version 1 or 2, for as long as a test needs it.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail, ensure};

/// Where distributions mount the hierarchies that can limit memory, and the limit's file in them.
const HIERARCHIES: [(&str, &str); 3] = [
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
    ("/sys/fs/cgroup", "memory.max"),
    ("/sys/fs/cgroup/unified", "memory.max"),
];

/// A cgroup with a limit of its memory; removed when dropped.
#[derive(Debug)]
pub struct MemoryCgroup {
    path: PathBuf,
}

impl MemoryCgroup {
    /// Makes one that holds `limit` bytes at most.
    pub fn new(name: &str, limit: u64) -> Result<Self> {
        for (root, file) in HIERARCHIES {
            if let Some(made) = Self::below(Path::new(root), name, file, limit) {
                return Ok(made);
            }
        }
        bail!("no cgroup hierarchy here can limit memory")
    }

    /// Has the limit count swap too, as `docker run --memory-swap` does: version 1 then counts no refusals.
    pub fn with_swap(self, limit: u64) -> Result<Self> {
        let path = self.path.join("memory.memsw.limit_in_bytes");
        ensure!(path.exists(), "no version 1 that counts swap");
        fs::write(path, limit.to_string())?;
        Ok(self)
    }

    /// The file that takes the pid of whoever joins.
    #[must_use]
    pub fn procs(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// A command that joins and then executes the command line appended to it.
    #[must_use]
    pub fn wrapper(&self) -> [String; 4] {
        let script = format!("echo $$ > {} && exec \"$@\"", self.procs().display());
        ["sh".to_owned(), "-c".to_owned(), script, "sh".to_owned()]
    }

    fn below(root: &Path, name: &str, file: &str, limit: u64) -> Option<Self> {
        let made = Self { path: root.join(format!("memwatch-test-{name}-{}", std::process::id())) };
        fs::create_dir(&made.path).ok()?;
        made.limit(file, limit).ok()?;
        Some(made)
    }

    fn limit(&self, file: &str, limit: u64) -> Result<()> {
        // The kernel makes the files of a cgroup: where this one is missing, memory is not controlled here.
        let mut open = fs::File::options().write(true).open(self.path.join(file))?;
        Ok(open.write_all(limit.to_string().as_bytes())?)
    }
}

impl Drop for MemoryCgroup {
    fn drop(&mut self) {
        // Fails while a process in it is still going; the directory is then left behind, empty.
        drop(fs::remove_dir(&self.path));
    }
}

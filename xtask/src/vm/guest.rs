//! What runs in a guest, and what its console says of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::kernel::Kernel;
use crate::repo;

/// One boot of one kernel.
pub(super) struct Guest<'a> {
    /// What to boot.
    pub(super) kernel: &'a Kernel,
    /// The script to run, a path that host and guest have in common.
    pub(super) script: &'a Path,
    /// When to give up.
    pub(super) timeout: Duration,
}

/// A shell script for the guest, removed when dropped.
pub(super) struct Script(PathBuf);

impl Script {
    /// Writes a script that runs the command in the top directory, with an environment of its own.
    pub(super) fn write(command: &str) -> Result<Self> {
        // The probe for an accelerator has a script of its own while the real one waits.
        static WRITTEN: AtomicU32 = AtomicU32::new(0);
        let n = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let path = repo::cache().join(format!("vm/guest.{}.{n}.sh", std::process::id()));
        fs::write(&path, script(command)).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // Left behind it does no harm: it is in the cache.
        drop(fs::remove_file(&self.0));
    }
}

fn script(command: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!(
        "export PATH='{path}:/usr/sbin:/sbin' HOME=/run TMPDIR=/run TERM=dumb RUST_BACKTRACE=1\ncd '{}' || exit 126\n{command}\n",
        repo::root().display()
    )
}

/// What a guest has printed, line by line.
#[derive(Default)]
pub(super) struct Console {
    lines: Vec<String>,
    started: bool,
    status: Option<i32>,
}

impl Console {
    /// Takes a line; returns it if it is the command's, to be shown at once.
    pub(super) fn take(&mut self, line: &str) -> Option<String> {
        let line = line.trim_end_matches(['\r', '\n']).to_owned();
        self.lines.push(line.clone());
        // The kernel may print in the middle of a line of ours, so the marks are searched for.
        if let Some((_, status)) = line.split_once("GUEST-RC ") {
            self.status = status.split_whitespace().next().and_then(|status| status.parse().ok());
            return None;
        }
        if line.contains("GUEST-START") {
            self.started = true;
            return None;
        }
        (self.started && self.status.is_none()).then_some(line)
    }

    /// The command's exit status, once it has ended.
    pub(super) const fn status(&self) -> Option<i32> {
        self.status
    }

    /// Everything, for when there is no status.
    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_commands_own_lines_are_shown() {
        let mut console = Console::default();
        let lines =
            ["booting\r\n", "GUEST-START\r\n", "6.1.0\r\n", "[ 3.1] GUEST-RC 7\r\n", "reboot: down\r\n"];
        let shown: Vec<String> = lines.iter().filter_map(|line| console.take(line)).collect();
        assert_eq!((shown, console.status()), (vec!["6.1.0".to_owned()], Some(7)));
        assert_eq!(console.lines().len(), 5);
    }

    #[test]
    fn a_guest_that_dies_has_no_status() {
        let mut console = Console::default();
        assert_eq!(console.take("Kernel panic - not syncing"), None);
        assert_eq!(console.status(), None);
    }
}

//! `memwatch-bpf` attached, by its own records.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::child::{Interrupted, Line, Talker};
use crate::repo;

/// Arguments without what is on by default and no bound on collections needs.
pub(super) const BARE: [&str; 4] = ["--native", "off", "--stacks", "off"];
/// Written right after the last probe is live.
const HELLO: &str = r#""type":"hello""#;
/// A decision about native memory.
pub(super) const GOVERNOR: &str = r#""type":"governor""#;
/// A collection.
const GC: &str = r#""type":"gc""#;
/// The last record.
const BYE: &str = r#""type":"bye""#;

/// An attached tool; killed when dropped.
pub(super) struct Tool {
    talker: Talker,
    /// From its start until the last probe was live.
    pub(super) until_live: Duration,
    /// What it says of the first target: which features are on.
    hello: String,
    collections: usize,
}

/// What is left of a tool that was interrupted.
pub(super) struct Detached {
    /// From the interrupt until the last record was written.
    pub(super) reported: Duration,
    /// From the interrupt until the process had ended: a shell shows its prompt then.
    pub(super) ended: Duration,
    /// From the interrupt until the probes were gone.
    pub(super) gone: Duration,
}

impl Tool {
    /// Attaches to `pids` with the plans that are in `cache`.
    pub(super) fn attach(pids: &[u32], cache: &Path) -> Result<Self> {
        Self::attach_with(pids, cache, &[])
    }

    /// The same with these arguments.
    pub(super) fn attach_with(pids: &[u32], cache: &Path, arguments: &[&str]) -> Result<Self> {
        Self::start(pids, cache, arguments, Stdio::inherit())
    }

    /// The same, with all that it has to say written to `log`.
    pub(super) fn attach_logged(pids: &[u32], cache: &Path, arguments: &[&str], log: File) -> Result<Self> {
        Self::start(pids, cache, &[arguments, &["-vv"]].concat(), log.into())
    }

    /// Attaches to all processes of that name, of which there are so many, and to those that start later.
    pub(super) fn attach_named(name: &str, count: usize, cache: &Path) -> Result<Self> {
        Self::select(&["--name", name], count, cache, &[], Stdio::inherit())
    }

    fn start(pids: &[u32], cache: &Path, arguments: &[&str], stderr: Stdio) -> Result<Self> {
        let list = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        Self::select(&["--pid", &list], pids.len(), cache, arguments, stderr)
    }

    fn select(whom: &[&str], count: usize, cache: &Path, arguments: &[&str], stderr: Stdio) -> Result<Self> {
        let mut command = Command::new(repo::shipped_binary());
        command.args(whom).arg("--json").args(arguments).env("XDG_CACHE_HOME", cache).stderr(stderr);
        let talker = Talker::start(&mut command)?;
        let (mut until_live, mut hello) = (Duration::ZERO, String::new());
        for _ in 0..count {
            let line = talker.wait_for(HELLO)?;
            (until_live, hello) = (line.at - talker.since, line.text);
        }
        Ok(Self { talker, until_live, hello, collections: 0 })
    }

    /// Waits until it is attached to this process too; when that was said.
    pub(super) fn attached_to(&self, pid: u32) -> Result<Instant> {
        let of_it = format!("\"pid\":{pid},");
        loop {
            let line = self.talker.wait_for(HELLO)?;
            if line.text.contains(&of_it) {
                return Ok(line.at);
            }
        }
    }

    /// The features with which the target that it attached to last is watched, for the page: a figure without is worth little.
    pub(super) fn features(&self) -> Result<String> {
        features(&self.hello).context("a hello without features")
    }

    /// The lines that it has written since it was last asked.
    pub(super) fn so_far(&self) -> impl Iterator<Item = Line> {
        self.talker.so_far()
    }

    /// Waits for the first collection; how long after its start it was reported.
    pub(super) fn first_collection(&mut self) -> Result<Duration> {
        let line = self.talker.wait_for(GC)?;
        self.collections += 1;
        Ok(line.at - self.talker.since)
    }

    /// Waits for a record that contains `what`.
    pub(super) fn wait_for(&self, what: &str) -> Result<()> {
        self.talker.wait_for(what).map(drop)
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.talker.pid()
    }

    /// Collections that it has reported by now.
    pub(super) fn collections(&mut self) -> usize {
        self.collections += count(self.talker.so_far());
        self.collections
    }

    /// Ctrl-C, and waits until it is gone.
    pub(super) fn detach(self) -> Result<Detached> {
        let began = Instant::now();
        let Interrupted { lines, status, until_ended, until_gone } = self.talker.interrupt()?;
        let bye = lines.iter().find(|line| line.text.contains(BYE)).context("no last record")?;
        ensure!(is_whole(&bye.text) && status.code() != Some(2), "it did not do its job: {status}");
        Ok(Detached { reported: bye.at - began, ended: until_ended, gone: until_gone })
    }
}

fn count(lines: impl IntoIterator<Item = Line>) -> usize {
    lines.into_iter().filter(|line| line.text.contains(GC)).count()
}

/// Names of the features that are on, in words.
fn features(hello: &str) -> Option<String> {
    let hello: Value = serde_json::from_str(hello).ok()?;
    let features = hello["features"].as_object()?;
    let on: Vec<String> =
        features.iter().filter(|(_, state)| *state == "on").map(|(name, _)| format!("`{name}`")).collect();
    Some(on.join(", "))
}

fn is_whole(record: &str) -> bool {
    serde_json::from_str::<Value>(record).is_ok_and(|record| record["reason"] == "interrupted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_that_are_on_are_named() {
        let hello =
            r#"{"type":"hello","features":{"gc":"on","native":{"off":"not wanted"},"js_stacks":"on"}}"#;
        assert_eq!(features(hello).as_deref(), Some("`gc`, `js_stacks`"));
        assert_eq!(features("{}"), None);
    }
}

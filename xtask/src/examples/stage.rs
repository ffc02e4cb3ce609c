//! Where examples are made: programs in a directory of their own, under an official Node, and the tool beside them.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::bench::child::Talker;
use crate::bench::node;
use crate::repo;

/// What the directory is called in examples, as no reader has ours.
const SHOWN: &str = "/srv/shop";
/// The last part of that.
const SHOWN_FOLDER: &str = "shop";
/// Likewise Node.
const SHOWN_NODE: &str = "/usr/bin/node";
/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(400);

/// A directory, removed with what is in it when this is dropped.
pub(super) struct Stage {
    directory: PathBuf,
    tool: PathBuf,
    node: PathBuf,
}

/// A tool that runs, writing into a file; killed when dropped.
pub(super) struct Watch<'a> {
    stage: &'a Stage,
    child: Child,
    file: PathBuf,
}

impl Stage {
    /// An empty one, with the tool that `$MEMWATCH_BIN` names, else the one that is shipped.
    pub(super) fn new() -> Result<Self> {
        let directory = env::temp_dir().join(format!("memwatch-examples-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let tool = env::var_os("MEMWATCH_BIN").map_or_else(repo::shipped_binary, PathBuf::from);
        ensure!(tool.exists(), "no {}: cargo xtask dist builds it", tool.display());
        Ok(Self { directory, tool: tool.canonicalize()?, node: node::program()? })
    }

    /// Writes a file there.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        fs::write(self.directory.join(name), text).with_context(|| format!("cannot write {name}"))
    }

    /// Copies a file of the repository there.
    pub(super) fn bring(&self, file: &str, name: &str) -> Result<()> {
        self.write(name, &fs::read_to_string(repo::root().join(file))?)
    }

    /// Node, with a program that is there.
    pub(super) fn node(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.node);
        command.args(arguments).current_dir(&self.directory);
        command.env_remove("NODE_EXTRA_CA_CERTS").env_remove("NODE_OPTIONS");
        command
    }

    /// A program that says `ready`.
    pub(super) fn start(&self, arguments: &[&str]) -> Result<Talker> {
        let node = Talker::start(&mut self.node(arguments))?;
        node.wait_for("ready")?;
        Ok(node)
    }

    /// The tool.
    pub(super) fn tool(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.tool);
        command.args(arguments);
        command
    }

    /// The tool, writing into a file.
    pub(super) fn watch(&self, arguments: &[&str]) -> Result<Watch<'_>> {
        let file = self.directory.join(format!("out-{}", arguments.len()));
        let mut command = self.tool(arguments);
        let child = command.stdin(Stdio::null()).stdout(File::create(&file)?).spawn()?;
        Ok(Watch { stage: self, child, file })
    }

    /// The tool, with a reader who does not read yet.
    pub(super) fn watch_unread(&self, arguments: &[&str]) -> Result<Child> {
        Ok(self.tool(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?)
    }

    /// What a reader is shown: names of files as on a server of his, and the kernel without the name of its build.
    pub(super) fn shown(&self, text: &str) -> String {
        let file = |path: &Path| path.display().to_string();
        let folder = self.directory.file_name().map_or_else(String::new, |name| file(Path::new(name)));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let version = kernel.split('-').next().unwrap_or_default().trim();
        let names = [
            (file(&self.directory), SHOWN),
            (folder, SHOWN_FOLDER),
            (file(&self.node), SHOWN_NODE),
            (kernel.trim().to_owned(), version),
        ];
        let known = names.iter().filter(|(ours, _)| !ours.is_empty());
        known.fold(text.to_owned(), |text, (ours, shown)| text.replace(ours, shown))
    }

    /// What a file there has by now, as a reader is shown it; nothing before it is there.
    pub(super) fn read(&self, name: &str) -> String {
        self.shown(&fs::read_to_string(self.path(name)).unwrap_or_default())
    }

    /// Where a file is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What stays is below the directory for what may go.
        drop(fs::remove_dir_all(&self.directory));
    }
}

impl Watch<'_> {
    /// What it has written so far, as a reader is shown it.
    pub(super) fn written(&self) -> Result<String> {
        Ok(self.stage.shown(&fs::read_to_string(&self.file)?))
    }

    /// Waits until it has written a line that `is_wanted`.
    pub(super) fn wait(&self, what: &str, is_wanted: impl Fn(&str) -> bool) -> Result<()> {
        until(what, || Ok(self.written()?.lines().any(&is_wanted)))
    }

    /// Ctrl-C, and what it has written by the end.
    pub(super) fn interrupt(mut self) -> Result<String> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
        self.child.wait()?;
        self.written()
    }

    /// What it has written once it ends by itself.
    pub(super) fn end(mut self) -> Result<String> {
        until("the end of the watch", || Ok(self.child.try_wait()?.is_some()))?;
        self.written()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until it `is_so`.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is_so()? {
        ensure!(began.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

//! `memwatch-bpf` as a child process.

use std::{
    env,
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    sync::LazyLock,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use memwatch_user::report::record::{Body, Gc, Kind, Record, Verdict};
use rustix::process::Signal;

use crate::{patience, proc, scratch, tail::Tail, workspace};

/// Says where the directory with the tool's plans is.
pub const CACHE_HOME: &str = "XDG_CACHE_HOME";

static BINARY: LazyLock<Result<PathBuf>> = LazyLock::new(find);

/// The binary under test: `$MEMWATCH_BIN`, else what `cargo build` makes of the tree as it is.
pub fn binary() -> Result<PathBuf> {
    BINARY.as_ref().cloned().map_err(|error| anyhow!("{error:#}"))
}

/// A running tool; killed when dropped.
#[derive(Debug)]
pub struct Tool {
    child: Child,
    stdout: Tail,
    stderr: Tail,
}

/// What a tool left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Runs the tool until it ends by itself.
pub fn run(arguments: &[&str]) -> Result<Finished> {
    Tool::start(arguments)?.finish()
}

impl Tool {
    /// Starts it with `arguments`.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = command()?;
        command.args(arguments);
        Self::spawn(&mut command)
    }

    /// Watches `pids` with `--json`, and waits until it is attached to all of them.
    pub fn watch(pids: &[u32]) -> Result<Self> {
        let list = pids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let mut tool = Self::start(&["--pid", &list, "--json"])?;
        for &pid in pids {
            tool.attached(pid)?;
        }
        Ok(tool)
    }

    /// Starts `command`, which ends up as the tool.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let directory = scratch::directory("tool")?;
        let (stdout, stderr) = (Tail::new(&directory, "stdout")?, Tail::new(&directory, "stderr")?);
        command.stdout(stdout.stdio()?).stderr(stderr.stdio()?);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child, stdout, stderr })
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the `hello` of `pid`: from then on its collections are reported.
    pub fn attached(&mut self, pid: u32) -> Result<Record> {
        self.wait(&format!("hello of {pid}"), |record| is_hello(record) && of(record, pid))
    }

    /// Waits for a record; `what` names it in the error.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Record) -> bool) -> Result<Record> {
        self.wait_all(what, 1, wanted)
    }

    /// Waits for `count` records of a sort; the last of them.
    pub fn wait_all(&mut self, what: &str, count: usize, wanted: impl Fn(&Record) -> bool) -> Result<Record> {
        let (mut seen, mut found, mut ended) = (0, Vec::new(), false);
        let child = &mut self.child;
        let answer = self.stdout.wait(patience(), |lines| {
            for line in &lines[seen..] {
                found.extend(parse(line).ok().filter(|record| wanted(record)));
            }
            seen = lines.len();
            let enough = found.get(count - 1).cloned().map(Some);
            // Its last lines may have come between the look at the file and the look at the process: once more, then.
            let gone = ended.then_some(None);
            ended = matches!(child.try_wait(), Ok(Some(_)));
            enough.or(gone)
        })?;
        answer.flatten().with_context(|| {
            let stderr = self.stderr.text().unwrap_or_default();
            format!("{} of {count} x {what} came; standard error: {stderr}", found.len())
        })
    }

    /// The records so far.
    pub fn records(&mut self) -> Result<Vec<Record>> {
        self.stdout.lines()?.iter().map(|line| parse(line)).collect()
    }

    /// What it has said on standard error so far.
    pub fn complaints(&self) -> Result<String> {
        self.stderr.text()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        proc::signal(self.pid(), signal)
    }

    /// Ctrl-C, and what it left.
    pub fn interrupt(self) -> Result<Finished> {
        self.signal(Signal::INT)?;
        self.finish()
    }

    /// Waits until it ends.
    pub fn finish(mut self) -> Result<Finished> {
        let status = proc::wait(&mut self.child, patience() * 2)?;
        Ok(Finished { status, stdout: self.stdout.text()?, stderr: self.stderr.text()? })
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        proc::end(&mut self.child);
    }
}

impl Finished {
    /// Runs `command`, which ends up as the tool, until it ends by itself.
    pub fn of(command: &mut Command) -> Result<Self> {
        Tool::spawn(command)?.finish()
    }

    /// All records; an error if a line is none.
    pub fn records(&self) -> Result<Vec<Record>> {
        self.stdout.lines().map(parse).collect()
    }

    /// The exit code; an error if a signal ended it.
    pub fn code(&self) -> Result<i32> {
        self.status.code().with_context(|| format!("the tool ended by {}; {}", self.status, self.stderr))
    }

    /// An error unless the exit code is `code`.
    pub fn expect(&self, code: i32) -> Result<()> {
        let found = self.code()?;
        ensure!(found == code, "exit code {found} instead of {code}; standard error: {}", self.stderr);
        Ok(())
    }

    /// An error unless it did its job, whatever the verdict.
    pub fn done(&self) -> Result<()> {
        ensure!(self.code()? != 2, "the job could not be done: {}", self.stderr);
        Ok(())
    }
}

/// The tool's command line without arguments.
pub fn command() -> Result<Command> {
    let mut command = Command::new(binary()?);
    command
        .env(CACHE_HOME, scratch::cache_home()?)
        .env_remove("NODE_EXTRA_CA_CERTS")
        .env_remove("NODE_OPTIONS");
    Ok(command)
}

/// Reads one line of `--json`.
pub fn parse(line: &str) -> Result<Record> {
    serde_json::from_str(line).with_context(|| format!("not a record: {line}"))
}

/// Whether `record` is about the process `pid`.
#[must_use]
pub fn of(record: &Record, pid: u32) -> bool {
    record.subject.is_some_and(|subject| subject.pid == pid)
}

/// Whether `record` says that a target is attached.
#[must_use]
pub const fn is_hello(record: &Record) -> bool {
    matches!(record.body, Body::Hello(_))
}

/// The collection that `record` is about.
#[must_use]
pub const fn gc(record: &Record) -> Option<&Gc> {
    if let Body::Gc(gc) = &record.body { Some(gc) } else { None }
}

/// The verdict that `record` is about.
#[must_use]
pub const fn verdict(record: &Record) -> Option<&Verdict> {
    if let Body::Verdict(verdict) = &record.body { Some(verdict) } else { None }
}

/// The verdict on one kind of memory that `record` is about.
#[must_use]
pub fn verdict_on(record: &Record, kind: Kind) -> Option<&Verdict> {
    verdict(record).filter(|verdict| verdict.kind == kind)
}

/// The collections of `pid` among `records`.
#[must_use]
pub fn collections(records: &[Record], pid: u32) -> Vec<&Gc> {
    records.iter().filter(|record| of(record, pid)).filter_map(gc).collect()
}

fn find() -> Result<PathBuf> {
    if let Some(path) = env::var_os("MEMWATCH_BIN") {
        return PathBuf::from(path).canonicalize().context("$MEMWATCH_BIN");
    }
    // Built each time, which costs a moment if nothing changed: a test must not run what the tree no longer says.
    let arguments = ["build", "--quiet", "--package", "memwatch-user", "--bin", "memwatch-bpf"];
    let status = Command::new(env!("CARGO")).args(arguments).current_dir(workspace()).status()?;
    if !status.success() {
        bail!("cannot build memwatch-bpf");
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    Ok(target.join("debug/memwatch-bpf").canonicalize()?)
}

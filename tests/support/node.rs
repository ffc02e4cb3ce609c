//! Node processes: a program of `fixtures/node` under a release.
//!
//! Every fixture prints `ready` when it does what it is named for and goes on until its standard input ends or says
//! `stop`; then it ends by itself, with exit code 0.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::{patience, proc, releases, scratch, tail::Tail, trace_gc, workspace};

/// How to start a Node process.
#[derive(Debug)]
pub struct Start {
    program: PathBuf,
    wrapper: Vec<String>,
    flags: Vec<String>,
    script: PathBuf,
    arguments: Vec<String>,
    arg0: Option<String>,
}

/// A running Node process; ended when dropped.
#[derive(Debug)]
pub struct Node {
    child: Child,
    pid: u32,
    /// What it prints.
    pub stdout: Tail,
    /// What it complains of.
    pub stderr: Tail,
}

/// Path of a fixture: `fixtures/node/NAME.js`.
#[must_use]
pub fn fixture(name: &str) -> PathBuf {
    workspace().join(format!("tests/fixtures/node/{name}.js"))
}

/// The fixture `name` under the release `version`.
pub fn start(version: &str, name: &str) -> Result<Start> {
    Ok(Start::new(releases::node(version)?, fixture(name)))
}

/// Starts the fixture `name` under the usual release and waits until it is ready.
pub fn running(name: &str) -> Result<Node> {
    start(releases::USUAL, name)?.ready()
}

impl Start {
    /// `script` under the Node at `program`.
    #[must_use]
    pub fn new(program: PathBuf, script: PathBuf) -> Self {
        let [wrapper, flags, arguments] = [const { Vec::new() }; 3];
        Self { program, wrapper, flags, script, arguments, arg0: None }
    }

    /// Adds a flag of Node or V8.
    #[must_use]
    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// Adds an argument of the script.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Has `wrapper` start it: a command that ends by executing the command line appended to it.
    #[must_use]
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper.splice(0..0, wrapper.iter().map(|&word| word.to_owned()));
        self
    }

    /// Has it call itself `name`.
    #[must_use]
    pub fn called(mut self, name: &str) -> Self {
        self.arg0 = Some(name.to_owned());
        self
    }

    /// Has V8 print a line for every collection, at once: `stdbuf` makes standard output line-buffered, so that the
    /// lines in the file are those of the collections that have ended.
    #[must_use]
    pub fn traced(self) -> Self {
        self.under(&["stdbuf", "--output=L"]).flag("--trace-gc-nvp")
    }

    /// Starts it.
    pub fn spawn(self) -> Result<Node> {
        let directory = scratch::directory("node")?;
        let (stdout, stderr) = (Tail::new(&directory, "stdout")?, Tail::new(&directory, "stderr")?);
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(stdout.stdio()?).stderr(stderr.stdio()?);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Node { pid: child.id(), child, stdout, stderr })
    }

    /// Starts it and waits until it says that it is ready.
    pub fn ready(self) -> Result<Node> {
        let mut node = self.spawn()?;
        node.said("ready")?;
        Ok(node)
    }

    fn command(&self) -> Command {
        let mut words = self.wrapper.iter().map(PathBuf::from).chain([self.program.clone()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).args(&self.flags).arg(&self.script).args(&self.arguments);
        if let Some(name) = &self.arg0 {
            command.arg0(name);
        }
        // It would make Node parse a bundle of certificates at start: 400 000 more allocations.
        command.env_remove("NODE_EXTRA_CA_CERTS").env_remove("NODE_OPTIONS");
        command
    }
}

impl Node {
    /// Its pid.
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for a line of standard output that begins with `prefix`; what follows it, without the space between.
    pub fn said(&mut self, prefix: &str) -> Result<String> {
        Ok(self.said_times(prefix, 1)?.remove(0))
    }

    /// Waits for `count` such lines; what follows the prefix in each of them.
    pub fn said_times(&mut self, prefix: &str, count: usize) -> Result<Vec<String>> {
        let found = self.stdout.wait(patience(), |lines| {
            let rests = lines.iter().filter_map(|line| line.strip_prefix(prefix));
            let rests: Vec<_> = rests.map(|rest| rest.trim().to_owned()).take(count).collect();
            (rests.len() == count).then_some(rests)
        })?;
        let stderr = self.stderr.text()?;
        found.with_context(|| {
            format!("Node {} never said `{prefix}` {count} times; standard error: {stderr}", self.pid)
        })
    }

    /// Says `word` to it.
    pub fn tell(&mut self, word: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("its standard input is closed")?;
        writeln!(stdin, "{word}").with_context(|| format!("cannot say `{word}` to Node {}", self.pid))
    }

    /// Asks it to end and waits until it has.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.tell("stop")?;
        self.ended()
    }

    /// Waits until it has ended.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        proc::wait(&mut self.child, patience())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        proc::signal(self.pid, signal)
    }

    /// Whether it still works: it answers a question through its event loop.
    pub fn healthy(&mut self) -> Result<()> {
        let count = |lines: &[String]| lines.iter().filter(|line| *line == "pong").count();
        let before = count(self.stdout.lines()?);
        self.tell("ping")?;
        let answer = self.stdout.wait(patience(), |lines| (count(lines) > before).then_some(()))?;
        answer.with_context(|| format!("Node {} does not answer", self.pid))
    }

    /// What V8 said of its collections so far, if it was [`Start::traced`].
    pub fn collections(&mut self) -> Result<Vec<trace_gc::Line>> {
        Ok(trace_gc::parse(&self.stdout.text()?))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for pid in proc::descendants(self.pid).unwrap_or_default() {
            // Fails only if it ended meanwhile.
            drop(proc::signal(pid, Signal::KILL));
        }
        proc::end(&mut self.child);
    }
}

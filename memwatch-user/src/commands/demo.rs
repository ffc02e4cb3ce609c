//! `demo`: starts a small program that leaks, has it watched, and ends it.
//!
//! Nothing is written to disk: the program is handed to Node on the command line. It ends with us however we end, as it
//! reads from a pipe that we hold.

use std::{
    env, io,
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::Result;
use thiserror::Error;

use super::watch;
use crate::{
    cli::{
        args::Switch,
        job::{Demo, ProfileFiles, Watch, Whom},
    },
    native::Mode,
    report::record::{Kind, Level, Resource, Verdict},
    target::text::printable,
    units,
};

const PROGRAM: &str = include_str!("demo/leaky_checkout.js");

/// Name that the program gives itself.
pub const NAME: &str = "leaky-checkout";

/// How often the program's memory is read.
const INTERVAL: Duration = Duration::from_secs(2);

/// Node takes 0.05 s to start on an idle machine, and a second in an emulated one.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Characters of Node's complaint that are shown when it does not start, and bytes that are searched for it.
const COMPLAINT_SHOWN: usize = 200;
const COMPLAINT_READ: u64 = 2000;

/// Why the demo could not start.
#[derive(Debug, Error)]
pub enum DemoError {
    /// There is no Node to run the program with.
    #[error("no node on PATH (sudo may have narrowed it): name one with --node PATH")]
    NoNode,
    /// It cannot be started.
    #[error("cannot start {}: {source}; name another Node with --node PATH", .node.display())]
    Start {
        /// What was to be started.
        node: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It ended, or did something else than running our program.
    #[error("{} did not run the demo's program: {complaint}; name another Node with --node PATH", .node.display())]
    NotReady {
        /// What was started.
        node: PathBuf,
        /// What it said.
        complaint: String,
    },
}

/// The leaking program; dropping it ends it.
#[derive(Debug)]
pub struct LeakyProgram {
    child: Child,
}

impl LeakyProgram {
    /// Starts it with `node`, or with the first `node` on `PATH`, and returns once it leaks.
    pub fn start(node: Option<&Path>) -> Result<Self, DemoError> {
        let node = match node {
            Some(node) => node.to_owned(),
            None => on_path("node").ok_or(DemoError::NoNode)?,
        };
        let child =
            command(&node).spawn().map_err(|source| DemoError::Start { node: node.clone(), source })?;
        let mut program = Self { child };
        program.wait_until_ready().map_err(|complaint| DemoError::NotReady { node, complaint })?;
        Ok(program)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let (Some(stdout), Some(stderr)) = (self.child.stdout.take(), self.child.stderr.take()) else {
            return Err("its output is not connected".to_owned());
        };
        match first_line(stdout).recv_timeout(START_TIMEOUT) {
            Ok(line) if line.trim_end() == "ready" => Ok(()),
            Ok(_) => Err(self.complaint(stderr)),
            Err(_) => Err(format!("silent for {} s", START_TIMEOUT.as_secs())),
        }
    }

    /// The first line that it wrote on standard error; it is ended first, so that reading does.
    fn complaint(&mut self, stderr: ChildStderr) -> String {
        self.end();
        let mut text = Vec::new();
        // What could not be read is not shown.
        drop(stderr.take(COMPLAINT_READ).read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        printable(line.chars().take(COMPLAINT_SHOWN).collect::<String>().as_bytes())
    }

    fn end(&mut self) {
        // Both fail only if it is gone already and has been waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for LeakyProgram {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts the program and watches it until it is caught. Returns the exit status of the watch.
pub fn run(job: &Demo) -> Result<u8> {
    let program = LeakyProgram::start(job.node.as_deref())?;
    let done = watch::run(&Watch {
        stacks: Switch::On,
        profiles: ProfileFiles::default(),
        whom: Whom::Pids(vec![program.pid()]),
        children: false,
        duration: Some(job.duration),
        interval: INTERVAL,
        native: Mode::Off,
        budget_pct: 1.0,
        output: job.output,
        verbose: 0,
        quiet: false,
        assume_missing: Vec::new(),
        until_leak: true,
    })?;
    drop(program);
    if !job.output.json {
        let mut out = io::stdout().lock();
        closing(done.verdict.as_ref()).iter().try_for_each(|line| writeln!(out, "{line}"))?;
    }
    Ok(done.status)
}

fn command(node: &Path) -> Command {
    let mut command = Command::new(node);
    command
        .args(["-e", PROGRAM])
        // Both change what the heap does: certificates are 400 000 allocations, options can be anything.
        .env_remove("NODE_EXTRA_CA_CERTS")
        .env_remove("NODE_OPTIONS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Out of reach of the terminal's Ctrl-C: we end first, with a report, and then the program.
        .process_group(0);
    command
}

/// Reads a line on a thread of its own: a program that stays silent must not hold us up for ever.
fn first_line(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        // An error and an end read alike: not the line that was waited for.
        drop(BufReader::new(stdout).read_line(&mut line));
        // Nobody listens any more once the time is up.
        drop(sender.send(line));
    });
    receiver
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok()
}

/// The last lines of the demo: what came out, and what to type next.
#[must_use]
pub fn closing(verdict: Option<&Verdict>) -> Vec<String> {
    let mut lines = vec![outcome(verdict)];
    if verdict.is_some_and(is_caught) {
        lines.push("It was neither stopped nor changed, and ran without a flag or a debugger.".to_owned());
    }
    lines.push(String::new());
    lines.push("Next, on a Node.js process of your own:".to_owned());
    lines.push("    sudo memwatch-bpf --pid PID".to_owned());
    lines
}

fn is_caught(verdict: &Verdict) -> bool {
    verdict.verdict == Level::Leak && verdict.kind == Kind::JsHeap
}

fn outcome(verdict: Option<&Verdict>) -> String {
    let Some(verdict) = verdict else {
        return format!("{NAME} was not watched long enough for a verdict.");
    };
    if !is_caught(verdict) {
        return format!(
            "{NAME} leaks, and was not caught within the time: the last verdict was {}. On a busy machine it takes longer: \
             try the demo again.",
            verdict.verdict.word()
        );
    }
    let rate = verdict
        .rate_bytes_per_hour
        .map_or(String::new(), |rate| format!(" by {}", units::rate(rate).trim_start_matches('+')));
    format!("Caught: the JavaScript heap of {NAME} grows{rate}{}.", time_left(verdict))
}

/// The near end of the interval: the time there is to rely on.
fn time_left(verdict: &Verdict) -> String {
    match (verdict.exhausts, verdict.time_to_exhaustion_s) {
        (Some(Resource::HeapLimit), Some([Some(seconds), _])) => {
            format!(", and reaches its limit in about {:.0} min", (seconds / 60.0).max(1.0))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;

//! A child process whose lines carry the moment they came.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::copies;

/// How long to wait for a line; whatever is measured here takes a second or two.
const PATIENCE: Duration = Duration::from_secs(60);

/// A line of standard output, without its end.
pub(crate) struct Line {
    pub(crate) at: Instant,
    pub(crate) text: String,
}

/// A running program; killed when dropped.
pub(crate) struct Talker {
    child: Child,
    /// When it was started.
    pub(crate) since: Instant,
    lines: Receiver<Line>,
    name: String,
}

/// What is left of a program that was interrupted.
pub(crate) struct Interrupted {
    /// Its remaining lines.
    pub(crate) lines: Vec<Line>,
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// From the interrupt until it had ended.
    pub(crate) until_ended: Duration,
    /// From the interrupt until the copy of itself that it leaves its probes to had ended too.
    pub(crate) until_gone: Duration,
}

impl Talker {
    /// Starts `command`; what it says on standard error is shown.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        // Node warns about, and allocates a lot for, whatever certificates the environment names.
        command.env_remove("NODE_EXTRA_CA_CERTS").env_remove("NODE_OPTIONS");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let since = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let stdout = child.stdout.take().context("its standard output is no pipe")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for text in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(Line { at: Instant::now(), text }).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, since, lines, name })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Says a line to it.
    pub(crate) fn tell(&mut self, line: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("its standard input is closed")?;
        writeln!(stdin, "{line}").with_context(|| format!("cannot speak to {}", self.name))
    }

    /// Waits for a line that contains `what`.
    pub(crate) fn wait_for(&self, what: &str) -> Result<Line> {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.with_context(|| format!("{} never said `{what}`", self.name))?;
            if line.text.contains(what) {
                return Ok(line);
            }
        }
    }

    /// The lines that have come by now.
    pub(crate) fn so_far(&self) -> impl Iterator<Item = Line> {
        self.lines.try_iter()
    }

    /// Ends its standard input, and waits until it is gone.
    pub(crate) fn end(&mut self) -> Result<ExitStatus> {
        drop(self.child.stdin.take());
        self.child.wait().with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Ctrl-C. Returns once it and all that it had in the kernel are gone.
    pub(crate) fn interrupt(mut self) -> Result<Interrupted> {
        copies::adopt()?;
        let began = Instant::now();
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("not a pid")?;
        kill_process(pid, Signal::INT).with_context(|| format!("cannot interrupt {}", self.name))?;
        let status = self.child.wait()?;
        let until_ended = began.elapsed();
        copies::wait()?;
        let until_gone = began.elapsed();
        Ok(Interrupted { lines: self.lines.iter().collect(), status, until_ended, until_gone })
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

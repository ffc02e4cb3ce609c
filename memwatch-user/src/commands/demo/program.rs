//! The small program that leaks. Nothing is written to disk: it is handed to Node on the command line. It ends with us however we
//! end, as it reads from a pipe that we hold.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::error::{DemoError, NotReady};
use crate::target::text::printable;

const PROGRAM: &str = include_str!("leaky_checkout.js");

/// Node takes 0.05 s to start on an idle machine, and a second in an emulated one.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Characters of Node's complaint that are shown when it does not start, and bytes that are searched for it.
const COMPLAINT_SHOWN: usize = 200;
const COMPLAINT_READ: u64 = 2000;

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
        program.wait_until_ready().map_err(|why| DemoError::NotReady { node, why })?;
        Ok(program)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_ready(&mut self) -> Result<(), NotReady> {
        let (Some(stdout), Some(stderr)) = (self.child.stdout.take(), self.child.stderr.take()) else {
            return Err(NotReady::Unconnected);
        };
        match first_line(stdout).recv_timeout(START_TIMEOUT) {
            Ok(line) if line.trim_end() == "ready" => Ok(()),
            Ok(_) => Err(NotReady::Complained(self.complaint(stderr))),
            Err(_) => Err(NotReady::Silent(START_TIMEOUT)),
        }
    }

    /// The first line that it wrote on standard error; it is ended first, so that reading does.
    fn complaint(&mut self, stderr: ChildStderr) -> String {
        self.end();
        let mut text = Vec::new();
        // What could not be read is not shown.
        drop(stderr.take(COMPLAINT_READ).read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it printed nothing");
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

#[cfg(test)]
mod tests;

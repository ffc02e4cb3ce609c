//! Running other programs: each command is printed before it runs, and its failure names it. Also the only place
//! that prints.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

/// How many of the last lines of a quiet command's output are shown when it fails.
const TAIL: usize = 20;

/// A command under construction.
pub(crate) struct Cmd {
    command: Command,
    /// What is printed: variables that were set, the program, its arguments.
    shown: String,
}

/// Starts a command; nothing is read from standard input.
pub(crate) fn cmd(program: impl AsRef<OsStr>) -> Cmd {
    let shown = program.as_ref().to_string_lossy().into_owned();
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    Cmd { command, shown }
}

impl Cmd {
    /// Adds an argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        let _written = write!(self.shown, " {}", quoted(&arg.as_ref().to_string_lossy()));
        self.command.arg(arg);
        self
    }

    /// Adds several arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.shown = format!("{key}={} {}", quoted(&value.as_ref().to_string_lossy()), self.shown);
        self.command.env(key, value);
        self
    }

    /// Removes an environment variable.
    pub(crate) fn env_remove(mut self, key: &str) -> Self {
        self.command.env_remove(key);
        self
    }

    /// Runs it in that directory.
    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Gives it our standard input: for programs a person answers or watches.
    pub(crate) fn interactive(mut self) -> Self {
        self.command.stdin(Stdio::inherit());
        self
    }

    /// Prints it and runs it to its end, its output being ours. Fails when it fails.
    pub(crate) fn run(self) -> Result<()> {
        self.run_to(0)
    }

    /// Like [`Cmd::run`], where ending with `expected` is what it is run for.
    pub(crate) fn run_to(mut self, expected: i32) -> Result<()> {
        self.announce();
        let status = self.command.status().with_context(|| self.cannot_start())?;
        if status.code() != Some(expected) {
            bail!("`{}` failed: {status}", self.shown);
        }
        Ok(())
    }

    /// Like [`Cmd::run`], but its output is shown only when it fails, and then its end: for chatty package managers,
    /// whose output also names the machine's mirrors, which is nobody's business.
    pub(crate) fn run_quiet(self) -> Result<()> {
        self.announce();
        self.capture().map(drop)
    }

    /// Prints it, runs it, and returns what it wrote to standard output.
    pub(crate) fn read(self) -> Result<String> {
        self.read_of(&[0])
    }

    /// Like [`Cmd::read`], where it may end with any of these.
    pub(crate) fn read_of(self, expected: &[i32]) -> Result<String> {
        self.announce();
        self.capture_of(expected)
    }

    /// Runs it and returns what it wrote to standard output, without a word: for questions that change nothing.
    pub(crate) fn ask(self) -> Result<String> {
        self.capture()
    }

    /// The command itself, after printing it: for those who must hold the child.
    pub(crate) fn into_command(self) -> Command {
        self.announce();
        self.command
    }

    fn capture(self) -> Result<String> {
        self.capture_of(&[0])
    }

    fn capture_of(mut self, expected: &[i32]) -> Result<String> {
        let output = self.command.output().with_context(|| self.cannot_start())?;
        if !output.status.code().is_some_and(|code| expected.contains(&code)) {
            bail!("`{}` failed: {}\n{}", self.shown, output.status, tail(&output));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn announce(&self) {
        say(&format!("$ {}", self.shown));
    }

    fn cannot_start(&self) -> String {
        format!("cannot start `{}`: is it installed?", self.shown)
    }
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "these are command line tools for people")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// Prints a line to standard error.
#[expect(clippy::print_stderr, reason = "these are command line tools for people")]
pub(crate) fn complain(line: &str) {
    eprintln!("{line}");
}

/// Whether we may install packages and load programs into the kernel.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    // The owner of a process's own directory is its effective user.
    Path::new("/proc/self").metadata().is_ok_and(|meta| meta.uid() == 0)
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

fn tail(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&both);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.len().saturating_sub(TAIL);
    lines[last..].iter().map(|line| without_hosts(line)).collect::<Vec<_>>().join("\n")
}

/// Blanks the host of every URL: a log is copied to places where a private mirror's name does not belong.
fn without_hosts(line: &str) -> String {
    let mut parts = line.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let path = part.find(['/', ' ', '\'', '"']).map_or("", |end| &part[end..]);
        out = out + "://..." + path;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_shows_the_end_of_its_output() {
        let error =
            cmd("sh").args(["-c", "echo mirror at https://secret.example/x; exit 3"]).ask().unwrap_err();
        let error = error.to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.ends_with("mirror at https://.../x"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = cmd("no-such-program").ask().unwrap_err();
        assert!(format!("{error:#}").contains("`no-such-program`"), "{error:#}");
    }

    #[test]
    fn what_is_printed_can_be_pasted_into_a_shell() {
        let shown = cmd("sh").args(["-c", "a b"]).env("X", "1").shown;
        assert_eq!(shown, "X=1 sh -c 'a b'");
    }

    #[test]
    fn hosts_are_blanked_and_nothing_else() {
        assert_eq!(without_hosts("Get:1 http://a.example/debian x"), "Get:1 http://.../debian x");
        assert_eq!(without_hosts("no url: here"), "no url: here");
        assert_eq!(without_hosts("http://a.example b 'ftp://c.example'"), "http://... b 'ftp://...'");
    }
}

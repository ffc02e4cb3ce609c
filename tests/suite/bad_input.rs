//! What cannot be done is said in one clear line, with exit status 2, before anything is attached.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    fifo::Fifo,
    machine, node, proc, releases, scratch,
    tool::{self, Finished, Tool},
    workspace,
};

#[test]
fn command_lines() -> Result<()> {
    let cases = [
        ("", "which process"),
        ("--pid 0", "0"),
        ("--pid -5", "-5"),
        ("--pid 4000000000", "4000000000"),
        ("--pid 99999999999999999999", "99999999999999999999"),
        ("--pid twelve", "number"),
        ("--pid 1,1", "twice"),
        ("--pid 1 --all", "--all"),
        ("--pid 1 --duration soon", "soon"),
        ("--pid 1 --color sometimes", "sometimes"),
        ("--frobnicate", "--frobnicate"),
        ("frobnicate", "neither a command nor a process id"),
        ("1 --pid 2", "exclude each other"),
        ("-- /no/such/program", "/no/such/program"),
    ];
    for (line, expected) in cases {
        refused(&tool::run(&line.split_whitespace().collect::<Vec<_>>())?, expected).context(line)?;
    }
    Ok(())
}

/// Opening a FIFO would wait for its writer: what is to be started is looked at first.
#[test]
fn what_is_no_program_is_not_started() -> Result<()> {
    let fifo = Fifo::new(&scratch::directory("program")?, "node")?;
    for (path, expected) in
        [(fifo.path(), "a FIFO"), (Path::new("/tmp"), "a directory"), (Path::new("/dev/null"), "a device")]
    {
        let path = path.display().to_string();
        refused(&tool::run(&["--duration", "1s", "--", &path])?, expected).context(path)?;
    }
    Ok(())
}

#[test]
fn processes() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("idle")?;
    let thread = *proc::threads(node.pid())?.get(1).context("Node has one thread only")?;
    let sleep = Ended(Command::new("sleep").arg("100").spawn()?);
    let zombie = Ended(Command::new("true").spawn()?);
    proc::until(memwatch_tests::patience(), || Ok((proc::state(zombie.0.id())? == 'Z').then_some(())))?;
    let gone = gone()?;
    let cases = [
        (gone, "no process"),
        (sleep.0.id(), "not a Node"),
        (thread, "thread"),
        (zombie.0.id(), "zombie"),
        (2, "kernel thread"),
    ];
    for (pid, expected) in cases {
        refused(&tool::run(&["--pid", &pid.to_string()])?, expected).with_context(|| format!("{pid}"))?;
    }
    refused(&tool::run(&["--pid", &format!("{},{gone}", node.pid()), "--json"])?, &gone.to_string())
}

/// Shells and systemd give 1024, of which `--all` needs more; so does one target, of 32.
#[test]
fn few_open_files_are_made_more() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("idle")?;
    let mut command = Command::new("prlimit");
    command.arg("--nofile=32:4096").arg(tool::binary()?);
    let tool = Tool::spawn(command.args(["--pid", &node.pid().to_string(), "--duration", "1s"]))?;
    tool.finish()?.done()
}

/// A profile of an earlier run is not lost to one that does not begin.
#[test]
fn files_stay_until_there_is_something_to_write() -> Result<()> {
    let profile = scratch::directory("profile")?.join("earlier");
    fs::write(&profile, "earlier")?;
    let gone = gone()?.to_string();
    refused(&tool::run(&["--pid", &gone, "--pprof", &profile.display().to_string()])?, "no process")?;
    ensure!(fs::read(&profile)? == b"earlier");
    Ok(())
}

#[test]
fn v8_without_symbols() -> Result<()> {
    let deno = workspace().join(".cache/deno/deno");
    ensure!(deno.exists(), "no {}: run `cargo xtask setup`", deno.display());
    let script = scratch::directory("deno")?.join("wait.js");
    fs::write(&script, "setInterval(() => {}, 1000)")?;
    let deno = Ended(Command::new(deno).arg("run").arg(script).stdout(Stdio::null()).spawn()?);
    refused(&tool::run(&["--pid", &deno.0.id().to_string()])?, "not a Node")
}

#[test]
fn kernel_without_ring_buffers() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("idle")?;
    let pid = node.pid().to_string();
    refused(&tool::run(&["--pid", &pid, "--json", "--assume-missing", "ring-buffer"])?, "5.8")
}

/// Whenever it goes, the tool either says so before it is attached, or reports its end.
#[test]
fn gone_during_attach() -> Result<()> {
    let _machine = machine::shared();
    for delay_ms in (0..50).step_by(5) {
        let node = node::start(releases::USUAL, "idle")?.ready()?;
        let tool = Tool::start(&["--pid", &node.pid().to_string(), "--json"])?;
        std::thread::sleep(std::time::Duration::from_millis(delay_ms));
        node.signal(rustix::process::Signal::KILL)?;
        let finished = tool.finish()?;
        if finished.stdout.is_empty() {
            refused(&finished, &node.pid().to_string())?;
        } else {
            finished.expect(3)?;
        }
    }
    Ok(())
}

/// Exit status 2, nothing on standard output, one line on standard error that names the trouble.
pub(crate) fn refused(finished: &Finished, expected: &str) -> Result<()> {
    finished.expect(2)?;
    ensure!(finished.stdout.is_empty(), "standard output: {}", finished.stdout);
    ensure!(finished.stderr.lines().count() == 1, "not one line: {}", finished.stderr);
    ensure!(finished.stderr.contains(expected), "`{expected}` is not in: {}", finished.stderr);
    Ok(())
}

/// A child that is killed when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        proc::end(&mut self.0);
    }
}

/// A pid that nobody has.
fn gone() -> Result<u32> {
    let mut child = Command::new("true").spawn()?;
    child.wait()?;
    Ok(child.id())
}

//! What the tool can do with fewer rights than root's, found by taking them away one by one; and that it names what is missing.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    machine, node, scratch,
    tool::{self, Finished, Tool},
};
use memwatch_user::report::record::{Body, Features, State};

use crate::bad_input::refused;

/// The least that does everything, on every kernel.
const LEAST: [&str; 3] = ["sys_admin", "sys_ptrace", "dac_read_search"];

#[test]
fn what_nothing_can_be_done_without_is_named() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("idle")?;
    let pid = node.pid().to_string();
    let refusal = |capabilities: &[&str], expected: &str| -> Result<()> {
        let finished = nobody(capabilities, &["--pid", &pid, "--json"])?.finish()?;
        refused(&finished, expected).with_context(|| format!("{capabilities:?}"))
    };
    refusal(&[], "CAP_BPF")?;
    refusal(&["sys_ptrace", "dac_read_search"], "CAP_BPF")?;
    refusal(&["bpf", "sys_ptrace", "dac_read_search"], "CAP_PERFMON")?;
    refusal(&["sys_admin", "dac_read_search"], "CAP_SYS_PTRACE")
}

/// Since Linux 6.16 uprobes take more than `CAP_PERFMON`: what doctor says of that is what happens.
#[test]
fn doctor_and_the_watch_agree_on_what_is_enough() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("idle")?;
    let pid = node.pid().to_string();
    for capabilities in [
        &["bpf", "perfmon", "sys_ptrace", "checkpoint_restore", "dac_read_search"][..],
        &["bpf", "sys_ptrace", "dac_read_search"],
        &LEAST,
        &LEAST[..2],
        &LEAST[..1],
        &[],
    ] {
        let doctor = nobody(capabilities, &["doctor", "--pid", &pid])?.finish()?;
        let watch = nobody(capabilities, &["--pid", &pid, "--duration", "1s", "--json"])?.finish()?;
        let (approved, done) = (doctor.code()? == 0, watch.code()? != 2);
        ensure!(approved == done, "{capabilities:?}: {}\n{}", doctor.stdout, watch.stderr);
        ensure!(!watch.stderr.contains("still running"), "{}", watch.stderr);
    }
    Ok(())
}

#[test]
fn each_of_the_least_has_its_use() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("idle")?;
    let pid = node.pid();
    let all = features(&LEAST, pid)?;
    let states = [&all.gc, &all.heap_limit, &all.external, &all.native, &all.js_stacks];
    ensure!(states.iter().all(|state| **state == State::On), "{all:?}");
    let blind = features(&LEAST[..2], pid)?;
    for state in [&blind.heap_limit, &blind.native, &blind.js_stacks] {
        ensure!(matches!(state, State::Off(why) if why.contains("CAP_DAC_READ_SEARCH")), "{blind:?}");
    }
    Ok(())
}

/// Nobody without rights is sent to look for another kernel, or for another process.
#[test]
fn without_rights_doctor_says_run_as_root() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("idle")?;
    let finished = nobody(&[], &["doctor", "--pid", &node.pid().to_string()])?.finish()?;
    finished.expect(2)?;
    let fixes: Vec<_> = finished.stdout.lines().filter_map(|line| line.split_once("fix: ")).collect();
    ensure!(fixes.len() > 3, "{}", finished.stdout);
    ensure!(fixes.iter().all(|(_, fix)| fix.starts_with("run as root")), "{}", finished.stdout);
    Ok(())
}

/// Whose processes cannot be examined is counted, and one's own are listed.
#[test]
fn a_list_without_rights() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("idle")?;
    let ours = Finished::of(Command::new(for_everybody()?).arg("list"))?;
    ensure!(ours.stdout.contains(&format!("{} ", node.pid())), "{}", ours.stdout);
    ensure!(ours.stdout.contains("node/idle.js"), "{}", ours.stdout);
    let theirs = nobody(&[], &["list"])?.finish()?;
    theirs.expect(0)?;
    ensure!(!theirs.stdout.contains("idle.js"), "{}", theirs.stdout);
    ensure!(theirs.stdout.contains("could not be examined"), "{}", theirs.stdout);
    Ok(())
}

/// A process of a binary with file capabilities is not dumpable, so that its own files in /proc are root's.
#[test]
fn a_binary_with_file_capabilities_works_and_says_what_that_costs() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("idle")?;
    let binary = for_everybody()?;
    let capabilities = format!("{}+ep", LEAST.map(|name| format!("cap_{name}")).join(","));
    let status = Command::new("setcap").arg(capabilities).arg(&binary).status().context("setcap")?;
    ensure!(status.success(), "setcap failed");
    let mut command = setpriv(&[]);
    let watch = command.arg(&binary).args(["--pid", &node.pid().to_string(), "--duration", "1s", "--json"]);
    Finished::of(watch)?.done()?;
    let doctor = Finished::of(setpriv(&[]).arg(&binary).arg("doctor"))?;
    doctor.expect(0)?;
    ensure!(doctor.stdout.contains("file capabilities"), "{}", doctor.stdout);
    Ok(())
}

/// What is watched of `pid` with these capabilities.
fn features(capabilities: &[&str], pid: u32) -> Result<Features> {
    let mut tool = nobody(capabilities, &["--pid", &pid.to_string(), "--json"])?;
    let Body::Hello(hello) = tool.attached(pid)?.body else { unreachable!("it was waited for") };
    tool.interrupt()?.done()?;
    Ok(hello.features)
}

/// The tool as a user without rights but these capabilities.
fn nobody(capabilities: &[&str], arguments: &[&str]) -> Result<Tool> {
    let mut command = setpriv(capabilities);
    command.arg(for_everybody()?).args(arguments);
    Tool::spawn(command.env(tool::CACHE_HOME, scratch::directory("plans")?))
}

fn setpriv(capabilities: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    if !capabilities.is_empty() {
        let list = capabilities.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(",");
        command.args([format!("--inh-caps={list}"), format!("--ambient-caps={list}")]);
    }
    // setpriv keeps what its user had until it executes something.
    command.arg("env");
    command
}

/// A copy of the tool that users without rights can reach.
fn for_everybody() -> Result<PathBuf> {
    let path = scratch::directory("bin")?.join("memwatch-bpf");
    fs::copy(tool::binary()?, &path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

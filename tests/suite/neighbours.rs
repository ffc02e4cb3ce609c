//! What one target does delays no other one, and not the end of the watch either.

use std::{
    fs,
    process::{self, Command},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    machine,
    node::{self, Node},
    patience, proc, releases, scratch,
    tool::{self, Finished, Tool},
};
use memwatch_user::report::record::{Body, Record};
use rustix::process::Signal;

use crate::selection::in_package;

/// How long the watch is to last, and the time between scrapes: the default.
const DURATION_S: f64 = 12.0;

/// A process that makes sixty workers a second keeps whoever reads its memory waiting for seconds (Node 24, measured): names of
/// its stacks are read beside the loop, so that a neighbour is scraped as often as was asked for, and the watch ends when
/// it should. Read on the loop, the neighbour was scraped three times in a watch of 15 seconds, which took 62.
#[test]
fn a_storm_of_workers_starves_nobody() -> Result<()> {
    let _machine = machine::shared();
    let mut storm = node::start("24.21.0", "worker_storm")?.ready()?;
    let mut neighbour = node::running("leak_fast")?;
    let pids = format!("{},{}", storm.pid(), neighbour.pid());
    let duration = format!("{DURATION_S}s");
    let began = Instant::now();
    let done = tool::run(&["--pid", &pids, "--duration", &duration, "--interval", "500ms", "--json"])?;
    let took_s = began.elapsed().as_secs_f64();
    let records = done.records()?;
    let watched_s = watched(&records).context("no bye")?;
    // On a busy machine all of it takes longer, and does so by less than twice.
    ensure!(watched_s < 2.0 * DURATION_S, "watched for {watched_s} s");
    // Attaching and detaching take some seconds on a busy machine, and no more because of the storm.
    ensure!(took_s < 4.0 * DURATION_S, "it took {took_s} s");
    let scrapes = scrapes(&records, neighbour.pid());
    ensure!(scrapes as f64 > watched_s, "the neighbour was scraped {scrapes} times in {watched_s} s");
    storm.healthy()?;
    neighbour.healthy()?;
    Ok(())
}

fn watched(records: &[Record]) -> Option<f64> {
    records.iter().find_map(|record| match &record.body {
        Body::Bye(bye) => Some(bye.watched_s),
        _ => None,
    })
}

fn scrapes(records: &[Record], pid: u32) -> usize {
    records.iter().filter(|record| tool::of(record, pid) && matches!(record.body, Body::Memory(_))).count()
}

/// `perf_event_open`.
const PERF_EVENT_OPEN: &str = if cfg!(target_arch = "aarch64") { "241" } else { "298" };
/// What needs no probes but those that are attached first.
const BARE: [&str; 4] = ["--native", "off", "--stacks", "off"];

/// The tool on a kernel that takes its time: whoever attaches a probe waits for a minute.
struct Slow {
    strace: Tool,
    /// The tool itself.
    pid: u32,
}

/// Probes are attached beside the loop that takes in events. On the loop, the first process was silent for as long as it took to
/// attach to the second.
#[test]
fn who_is_slow_to_attach_to_delays_nobody() -> Result<()> {
    let _machine = machine::shared();
    let package = format!("memwatch-neighbours-{}", process::id());
    let start = |version| in_package(&package, version, "collects_when_told")?.flag("--expose-gc").ready();
    let mut first = start(releases::USUAL)?;
    let arguments = ["--name", &package, "--interval", "500ms"];
    let Slow { mut strace, pid } = Slow::start(&arguments, probes_of(&first)? + 1)?;
    strace.attached(first.pid())?;
    let mut second = start("24.21.0")?;
    proc::until(patience(), || Ok(is_attaching(pid)?.then_some(())))?;
    let records = strace.records()?;
    let (seen, scraped) = (tool::collections(&records, first.pid()).len(), scrapes(&records, first.pid()));
    first.tell("compact 3")?;
    let of_first = |record: &Record| tool::of(record, first.pid());
    strace.wait_all("collection", seen + 3, |record| of_first(record) && tool::gc(record).is_some())?;
    let is_scrape = |record: &Record| of_first(record) && matches!(record.body, Body::Memory(_));
    strace.wait_all("scrape", scraped + 2, is_scrape)?;
    ensure!(is_attaching(pid)?, "nobody waits for a probe any more");
    // Nor is the end of the watch delayed.
    proc::signal(pid, Signal::INT)?;
    strace.wait("bye", |record| matches!(record.body, Body::Bye(_)))?;
    let records = strace.records()?;
    ensure!(records.iter().all(|record| !tool::of(record, second.pid())), "the second was attached to");
    first.healthy()?;
    second.healthy()
}

/// Whoever stops us before probes are live is told that nobody was watched.
#[test]
fn ctrl_c_while_the_first_probes_are_attached() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running("idle")?;
    let Slow { mut strace, pid } = Slow::start(&["--pid", &node.pid().to_string()], 1)?;
    proc::until(patience(), || Ok(is_attaching(pid)?.then_some(())))?;
    proc::signal(pid, Signal::INT)?;
    let said = || Ok(strace.complaints()?.contains("stopped before the probes were live").then_some(()));
    proc::until(patience(), said)?;
    ensure!(strace.records()?.is_empty(), "something was reported");
    node.healthy()
}

/// Where probes have no cookies, each process has probes of its own.
#[test]
fn many_that_start_at_once_are_all_watched() -> Result<()> {
    let _machine = machine::shared();
    let package = format!("memwatch-crowd-{}", process::id());
    let mut tool = Tool::start(
        &[&["--name", &package, "--assume-missing", "attach-cookie", "--json"][..], &BARE].concat(),
    )?;
    proc::until(patience(), || Ok(tool.complaints()?.contains("waiting for one").then_some(())))?;
    let start = |_| in_package(&package, releases::USUAL, "mixed_load")?.spawn();
    let crowd = (0..8).map(start).collect::<Result<Vec<Node>>>()?;
    for node in &crowd {
        tool.attached(node.pid())?;
        let is_its = |record: &Record| tool::of(record, node.pid()) && tool::gc(record).is_some();
        tool.wait_all("collection", 3, is_its)?;
    }
    Ok(())
}

impl Slow {
    /// With these arguments; slow from the probe of that number on.
    fn start(arguments: &[&str], from: usize) -> Result<Self> {
        let slow = format!("--inject=perf_event_open:delay_enter=60s:when={from}+");
        let mut command = strace("/dev/null")?;
        command.arg(slow).arg(tool::binary()?).args(arguments).args(BARE).arg("--json");
        let strace = Tool::spawn(&mut command).context("no strace: run `cargo xtask setup`")?;
        let name = tool::binary()?.canonicalize()?;
        let is_tool = |pid: &u32| proc::program(*pid).is_some_and(|program| program == name);
        let ours = || Ok(proc::descendants(strace.pid())?.into_iter().find(is_tool));
        let pid = proc::until(patience(), ours)?;
        Ok(Self { strace, pid })
    }
}

/// Of all threads of what it starts, and stopping none for any other call.
fn strace(log: &str) -> Result<Command> {
    let mut command = Command::new("strace");
    command.args([
        "--quiet=all",
        "--follow-forks",
        "--seccomp-bpf",
        "--trace=perf_event_open",
        "--output",
        log,
    ]);
    command.env(tool::CACHE_HOME, scratch::cache_home()?);
    Ok(command)
}

/// How many probes it takes to watch `node`.
fn probes_of(node: &Node) -> Result<usize> {
    let log = scratch::directory("strace")?.join("log");
    let mut command = strace(&log.display().to_string())?;
    command.arg(tool::binary()?).args(["--pid", &node.pid().to_string()]).args(BARE);
    Finished::of(command.args(["--duration", "100ms", "--json"]))?.done()?;
    Ok(fs::read_to_string(log)?.matches("perf_event_open(").count())
}

/// Whether a thread of a process waits for a probe.
fn is_attaching(pid: u32) -> Result<bool> {
    let call = |tid| fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).unwrap_or_default();
    let attaches = |tid| call(tid).split_whitespace().next() == Some(PERF_EVENT_OPEN);
    Ok(proc::threads(pid)?.into_iter().any(attaches))
}

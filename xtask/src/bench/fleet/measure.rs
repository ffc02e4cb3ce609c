//! One fleet: the same program many times, without the tool and with it.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::super::Bench;
use super::super::footprint::{Footprint, whole_cpu_seconds};
use super::super::node::Node;
use super::super::stats::median;
use super::super::tool::Tool;
use super::stream::{Seen, seen};

/// How long the fleet is measured, without and with us.
pub(super) const WINDOW: Duration = Duration::from_secs(30);
/// What starting costs, theirs and ours, is not what goes on.
const SETTLE: Duration = Duration::from_secs(5);
/// New processes that are started under watch, at most.
const NEW: usize = 5;
/// Descriptors that hold a process: its standard input and output; and as many again to spare.
const DESCRIPTORS_EACH: usize = 4;

/// What was measured.
pub(super) struct Measured {
    pub(super) count: usize,
    /// The features that were on, in words.
    pub(super) features: String,
    pub(super) until_live_s: f64,
    /// Percent of one CPU: ours, and of all targets without us and with us.
    pub(super) own_pct: f64,
    pub(super) alone_pct: f64,
    pub(super) watched_pct: f64,
    pub(super) footprint: Footprint,
    pub(super) seen: Seen,
    pub(super) collections_per_s: f64,
    /// Of a new process, from its start: until it says a line, and until we are attached.
    pub(super) ready_ms: f64,
    pub(super) discovered_ms: f64,
    /// From Ctrl-C: until the last record, until the prompt is back, and until the probes are gone.
    pub(super) reported_s: f64,
    pub(super) ended_s: f64,
    pub(super) gone_s: f64,
}

/// Starts `count` processes of `program`, and watches them by name.
pub(super) fn measure(bench: &Bench, program: &str, count: usize) -> Result<Measured> {
    make_room_for(count)?;
    let nodes = (0..count).map(|_| Node::start(program, &[])).collect::<Result<Vec<_>>>()?;
    thread::sleep(SETTLE);
    let alone_pct = cpu_pct(|| cpu_of(&nodes))?;
    let tool = Tool::attach_named(&format!("{program}*"), count, &bench.cache)?;
    thread::sleep(SETTLE);
    let own_before = whole_cpu_seconds(tool.pid())?;
    let began = Instant::now();
    let watched_pct = cpu_pct(|| cpu_of(&nodes))?;
    let window_s = began.elapsed().as_secs_f64();
    let own_pct = 100.0 * (whole_cpu_seconds(tool.pid())? - own_before) / window_s;
    let (seen, footprint) = (seen(tool.so_far(), began), Footprint::of(tool.pid())?);
    let (features, until_live_s) = (tool.features()?, tool.until_live.as_secs_f64());
    let newcomers = newcomers(&tool, program, bench.rounds.min(NEW))?;
    let detached = tool.detach()?;
    let collections_per_s = seen.collections as f64 / window_s;
    let [reported_s, ended_s, gone_s] =
        [detached.reported, detached.ended, detached.gone].map(|time| time.as_secs_f64());
    Ok(Measured {
        count,
        features,
        until_live_s,
        own_pct,
        alone_pct,
        watched_pct,
        footprint,
        seen,
        collections_per_s,
        ready_ms: median(newcomers.ready_ms),
        discovered_ms: median(newcomers.discovered_ms),
        reported_s,
        ended_s,
        gone_s,
    })
}

/// A process that waits to be read holds descriptors of ours.
fn make_room_for(count: usize) -> Result<()> {
    let needed = (count * DESCRIPTORS_EACH + 256) as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = Rlimit { current: Some(needed), maximum: maximum.map(|maximum| maximum.max(needed)) };
    setrlimit(Resource::Nofile, raised).context("cannot hold so many files open")
}

/// CPU time of all of them so far, seconds.
fn cpu_of(nodes: &[Node]) -> Result<f64> {
    nodes.iter().map(|node| whole_cpu_seconds(node.pid())).sum()
}

/// By how much it rises over the window, in percent of one CPU.
fn cpu_pct(cpu_s: impl Fn() -> Result<f64>) -> Result<f64> {
    let (before, began) = (cpu_s()?, Instant::now());
    thread::sleep(WINDOW);
    Ok(100.0 * (cpu_s()? - before) / began.elapsed().as_secs_f64())
}

/// Processes that start while all the others are watched, and go on until we are gone: milliseconds until they are ready,
/// and until we are attached.
#[derive(Default)]
struct Newcomers {
    nodes: Vec<Node>,
    ready_ms: Vec<f64>,
    discovered_ms: Vec<f64>,
}

fn newcomers(tool: &Tool, program: &str, count: usize) -> Result<Newcomers> {
    let mut new = Newcomers::default();
    for _ in 0..count {
        let node = Node::start(program, &[])?;
        new.ready_ms.push(node.started().elapsed().as_secs_f64() * 1e3);
        let attached = tool.attached_to(node.pid())?;
        new.discovered_ms.push((attached - node.started()).as_secs_f64() * 1e3);
        new.nodes.push(node);
    }
    Ok(new)
}

//! One `malloc` and its `free` in a loop: followed by us, beside two empty probes at the same places, and beside bpftrace.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::super::child::Talker;
use super::super::node::Node;
use super::super::page::{Bar, Section, interval};
use super::super::stats::{Estimate, mean_ratio, median};
use super::super::tool::{GOVERNOR, Tool};
use super::super::{Bench, fresh_directory};
use super::{ADDON, addon, addon_with};
use crate::cargo::cargo;
use crate::repo;
use crate::run::cmd;

/// Pairs a measurement: a second under the slowest of what is compared.
const PAIRS: u32 = 200_000;
/// What following a pair costs, in times of two empty probes.
const FLOOR: Bar = Bar::AtMost(1.35);
/// How many times cheaper it is than bpftrace doing the same.
const PEER: Bar = Bar::AtLeast(8.0);
/// The program with probes that do nothing.
const EMPTY: &str = "empty_probes";
/// What it and bpftrace say when all probes are live.
const LIVE: &str = "live";

/// Outstanding bytes by stack: what a block adds to its stack's, its `free` takes off. In the end nothing is printed: names for
/// all stacks would take minutes.
const TRACKS: &str = "uprobe:LIBC:malloc { @size[tid] = arg0 }
uretprobe:LIBC:malloc /@size[tid]/ {
  @block[retval] = @size[tid];
  @stack[retval] = ustack;
  @bytes[ustack] = sum(@size[tid]);
  delete(@size[tid])
}
uprobe:LIBC:free /@block[arg0]/ {
  @bytes[@stack[arg0]] = sum(-@block[arg0]);
  delete(@block[arg0]);
  delete(@stack[arg0])
}
END { clear(@size); clear(@block); clear(@stack); clear(@bytes) }";

/// Nanoseconds a pair, of each round.
#[derive(Default)]
struct Times {
    bare: Vec<f64>,
    empty: Vec<f64>,
    full: Vec<f64>,
    peer: Vec<f64>,
}

/// Libraries that serve `malloc` in place of glibc, as `setup` brings them.
const ALLOCATORS: [(&str, &str); 3] = [
    ("jemalloc", "libjemalloc.so.2"),
    ("mimalloc", "libmimalloc.so.2"),
    ("tcmalloc", "libtcmalloc_minimal.so.4"),
];

/// Adds the tables.
pub(super) fn added(section: Section, bench: &Bench) -> Result<Section> {
    let section = of_glibc(section, bench)?;
    of_others(section, bench)
}

/// The same, without bpftrace, where something else serves `malloc`.
fn of_others(section: Section, bench: &Bench) -> Result<Section> {
    let mut section = section.says(
        "The same where something else serves `malloc`: musl, with one probe where all its blocks pass, and preloaded \
         libraries, whose entries and returns are probed.",
    );
    let mut rows = vec![of_other(bench, "musl", in_musl)?];
    for (name, file) in ALLOCATORS {
        rows.push(of_other(bench, name, || preloading(file))?);
    }
    section
        .table(["allocator", "nothing", "two empty probes", "`--native full`", "ratio (95 %)", "bar"], rows);
    Ok(section)
}

/// Under Node for musl, in a copy of the root directory that `setup` brings.
fn in_musl() -> Result<Node> {
    let root = fresh_directory("musl")?;
    cmd("cp").arg("-a").arg(repo::cache().join("builds/musl/.")).arg(&root).run()?;
    // Without glibc's start files and its library, what the addon calls is musl's.
    Node::start_in(&root, "native", &addon_with(ADDON, &["-nostdlib"])?)
}

fn preloading(file: &str) -> Result<Node> {
    let libraries = repo::cache().join("builds/allocators/usr/lib");
    let library = libraries.join(format!("{}-linux-gnu", std::env::consts::ARCH)).join(file);
    Node::start_preloaded("native", &[&addon(ADDON)?.to_string_lossy()], &library)
}

fn of_other(bench: &Bench, name: &str, start: impl FnOnce() -> Result<Node>) -> Result<[String; 6]> {
    let mut node = start()?;
    let mut times = Times::default();
    pair(&mut node)?;
    for _ in 0..bench.rounds {
        times.bare.push(pair(&mut node)?);
        times.empty.push(under_empty(&mut node)?);
        times.full.push(under_tool(&mut node, &bench.cache)?);
    }
    let ratio = times.ratio(&times.full, &times.empty);
    let ns = |times: &[f64]| format!("{:.0} ns", median(times.iter().copied()));
    let bar = FLOOR.judge_estimate(ratio);
    Ok([name.to_owned(), ns(&times.bare), ns(&times.empty), ns(&times.full), interval(ratio), bar])
}

fn of_glibc(section: Section, bench: &Bench) -> Result<Section> {
    let addon = addon(ADDON)?;
    let mut node = Node::start("native", &[&addon.to_string_lossy()])?;
    cargo().args(["build", "--release", "--package", "memwatch-user", "--example", EMPTY]).run()?;
    let mut times = Times::default();
    pair(&mut node)?;
    for _ in 0..bench.rounds {
        times.bare.push(pair(&mut node)?);
        times.empty.push(under_empty(&mut node)?);
        times.full.push(under_tool(&mut node, &bench.cache)?);
        times.peer.push(under_bpftrace(&mut node)?);
    }
    Ok(times.written(section))
}

/// Probes that do nothing, where ours are.
fn under_empty(node: &mut Node) -> Result<f64> {
    let mut command = Command::new(repo::root().join("target/release/examples").join(EMPTY));
    let mut talker = Talker::start(command.arg(node.pid().to_string()))?;
    talker.wait_for(LIVE)?;
    let ns = pair(node)?;
    talker.end()?;
    Ok(ns)
}

fn under_bpftrace(node: &mut Node) -> Result<f64> {
    let pid = node.pid().to_string();
    let script = script(&libc(node.pid())?);
    let mut command = Command::new("bpftrace");
    // Without tracefs it complains of every probe that it detaches, and works.
    command.args(["-B", "line", "-p", &pid, "-e", &script]).stderr(Stdio::null());
    let talker = Talker::start(&mut command)?;
    talker.wait_for(LIVE)?;
    let ns = pair(node)?;
    talker.interrupt()?;
    Ok(ns)
}

/// Whichever end bpftrace begins with: both timers run when all is attached.
fn script(libc: &str) -> String {
    let probes = TRACKS.replace("LIBC", libc);
    format!("interval:ms:50 {{ @first = 1 }} {probes} interval:ms:50 /@first/ {{ printf(\"{LIVE}\\n\") }}")
}

fn libc(pid: u32) -> Result<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let path = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    path.map(str::to_owned).find(|path| path.ends_with("/libc.so.6")).context("it has no libc.so.6")
}

fn under_tool(node: &mut Node, cache: &Path) -> Result<f64> {
    let tool = Tool::attach_with(&[node.pid()], cache, &["--native", "full"])?;
    tool.wait_for(GOVERNOR)?;
    let ns = pair(node)?;
    tool.detach()?;
    Ok(ns)
}

fn pair(node: &mut Node) -> Result<f64> {
    node.ask(&format!("pairs {PAIRS}"))
}

impl Times {
    /// The mean ratio of what two of them add to a pair.
    fn ratio(&self, of: &[f64], to: &[f64]) -> Estimate {
        let bare = median(self.bare.iter().copied());
        let ratios: Vec<f64> = of.iter().zip(to).map(|(of, to)| (of - bare) / (to - bare).max(1.0)).collect();
        mean_ratio(&ratios)
    }

    fn written(&self, section: Section) -> Section {
        let (floor, peer) = (self.ratio(&self.full, &self.empty), self.ratio(&self.peer, &self.full));
        let row = |what: &str, times: &[f64], against: &str, ratio: Option<(Estimate, Bar)>| {
            [
                what.to_owned(),
                format!("{:.0} ns", median(times.iter().copied())),
                ratio.map_or_else(String::new, |(estimate, _)| format!("{} {against}", interval(estimate))),
                ratio.map_or_else(String::new, |(estimate, bar)| bar.judge_estimate(estimate)),
            ]
        };
        let rows = [
            row("nothing", &self.bare, "", None),
            row("two empty probes at the same places", &self.empty, "", None),
            row("`--native full`", &self.full, "times the empty ones", Some((floor, FLOOR))),
            row("bpftrace, outstanding bytes by stack", &self.peer, "times ours", Some((peer, PEER))),
        ];
        let mut section = section.says(
            "One block of 100 bytes taken and freed in a loop of an addon: CPU time of a pair, by what is attached; in turn, \
             medians. Ratios are of what comes on top of the bare pair. `full` knows the stack of each call site, which it \
             copies twice; bpftrace walks frame pointers at each block.",
        );
        section.table(["attached", "a pair", "ratio (95 %)", "bar"], rows);
        section
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_says_when_it_is_live() {
        let script = script("/lib/libc.so.6");
        assert!(
            script.contains("uprobe:/lib/libc.so.6:free") && script.ends_with("{ printf(\"live\\n\") }"),
            "{script}"
        );
    }

    #[test]
    fn ratios_are_of_what_comes_on_top() {
        let times = Times { bare: vec![10.0], empty: vec![1010.0], full: vec![1310.0], peer: Vec::new() };
        assert!((times.ratio(&times.full, &times.empty).value - 1.3).abs() < 1e-9);
    }
}

//! One `malloc` and its `free` in a loop: followed by us, beside two empty probes at the same places, and beside bpftrace.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::super::Bench;
use super::super::child::Talker;
use super::super::node::Node;
use super::super::page::{Bar, Section, interval};
use super::super::stats::{Estimate, mean_ratio, median};
use super::super::tool::{GOVERNOR, Tool};
use super::{ADDON, addon};
use crate::repo;

/// Pairs a measurement: a second under the slowest of what is compared.
const PAIRS: u32 = 200_000;
/// What following a pair costs, in times of two empty probes.
const FLOOR: Bar = Bar::AtMost(1.35);
/// How many times cheaper it is than bpftrace doing the same.
const PEER: Bar = Bar::AtLeast(8.0);
/// What bpftrace says when all probes are live.
const LIVE: &str = "live";

/// Programs that are never run, where ours are hit.
const EMPTY: &str = "uprobe:LIBC:FAST /0/ { exit() } uprobe:LIBC:FREE /0/ { exit() }";
/// Outstanding bytes by stack.
const TRACKS: &str = "uprobe:LIBC:malloc { @size[tid] = arg0 }
uretprobe:LIBC:malloc /@size[tid]/ { @block[retval] = @size[tid]; @bytes[ustack(8)] = sum(@size[tid]); delete(@size[tid]) }
uprobe:LIBC:free /@block[arg0]/ { delete(@block[arg0]) }";

/// Nanoseconds a pair, of each round.
#[derive(Default)]
struct Times {
    bare: Vec<f64>,
    empty: Vec<f64>,
    full: Vec<f64>,
    peer: Vec<f64>,
}

/// Adds the table.
pub(super) fn added(section: Section, bench: &Bench) -> Result<Section> {
    let addon = addon(ADDON)?;
    let mut node = Node::start("native", &[&addon.to_string_lossy()])?;
    let places = Places::of(node.pid())?;
    let mut times = Times::default();
    pair(&mut node)?;
    for _ in 0..bench.rounds {
        times.bare.push(pair(&mut node)?);
        times.empty.push(under_bpftrace(&mut node, &places.script(EMPTY))?);
        times.full.push(under_tool(&mut node, &bench.cache)?);
        times.peer.push(under_bpftrace(&mut node, &places.script(TRACKS))?);
    }
    Ok(times.written(section))
}

/// Where we probe the allocator of a process.
struct Places {
    libc: String,
    fast: String,
    free: String,
}

impl Places {
    /// As `doctor` says.
    fn of(pid: u32) -> Result<Self> {
        let mut doctor = Command::new(repo::release_binary());
        let out = doctor.args(["doctor", "--json", "--pid", &pid.to_string()]).output()?;
        let text = String::from_utf8_lossy(&out.stdout);
        let details: Vec<String> = text.lines().filter_map(detail).collect();
        let after = |what: &str| {
            let word = details.iter().find_map(|line| line.split_once(what)?.1.split([':', ',']).next());
            word.map(str::to_owned).with_context(|| format!("doctor names no `{what}`: {text}"))
        };
        Ok(Self {
            libc: after("glibc in ")?,
            fast: after("behind the fast path of malloc at ")?,
            free: after("entry of free at ")?,
        })
    }

    fn script(&self, text: &str) -> String {
        let probes = text.replace("LIBC", &self.libc).replace("FAST", &self.fast).replace("FREE", &self.free);
        // Whichever end bpftrace begins with: both timers run when all is attached.
        format!(
            "interval:ms:50 {{ @first = 1 }} {probes} interval:ms:50 /@first/ {{ printf(\"{LIVE}\\n\") }}"
        )
    }
}

fn detail(line: &str) -> Option<String> {
    serde_json::from_str::<Value>(line).ok()?["detail"].as_str().map(str::to_owned)
}

fn under_bpftrace(node: &mut Node, script: &str) -> Result<f64> {
    let mut command = Command::new("bpftrace");
    // Addresses in the middle of functions are unsafe in its view; without tracefs it complains, and works.
    command
        .args(["--unsafe", "-B", "line", "-p", &node.pid().to_string(), "-e", script])
        .stderr(Stdio::null());
    let talker = Talker::start(&mut command)?;
    talker.wait_for(LIVE)?;
    let ns = pair(node)?;
    talker.interrupt()?;
    Ok(ns)
}

fn under_tool(node: &mut Node, cache: &Path) -> Result<f64> {
    let tool = Tool::attach_as(&[node.pid()], cache, &["--native", "full"])?;
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
    fn scripts_name_the_places() {
        let [libc, fast, free] = ["/lib/libc.so.6", "0x98a87", "0x98ef3"].map(str::to_owned);
        let script = Places { libc, fast, free }.script(EMPTY);
        assert!(script.contains("uprobe:/lib/libc.so.6:0x98a87 /0/"), "{script}");
        assert_eq!(detail(r#"{"detail":"glibc in /lib/libc.so.6, 13 wrappers"}"#).unwrap().len(), 36);
    }

    #[test]
    fn ratios_are_of_what_comes_on_top() {
        let times = Times { bare: vec![10.0], empty: vec![1010.0], full: vec![1310.0], peer: Vec::new() };
        assert!((times.ratio(&times.full, &times.empty).value - 1.3).abs() < 1e-9);
    }
}

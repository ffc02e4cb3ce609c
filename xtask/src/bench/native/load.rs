//! What `auto` and `growth` cost whole programs that leak: only those are looked at.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::super::Bench;
use super::super::http::{self, Served};
use super::super::node::Node;
use super::super::page::{Bar, COMPARED, Section, compared};
use super::super::pairs::Pairs;
use super::super::tool::{GOVERNOR, Tool};
use super::{ADDON, addon, windows};

/// Requests a second, and their 99th percentile, in times of those of a server that nobody watches.
const HTTP: [Bar; 2] = [Bar::AtLeast(0.98), Bar::AtMost(1.05)];
/// Blocks a second.
const STORM: Bar = Bar::AtLeast(0.97);
/// Requests a second.
const GROWTH: Bar = Bar::AtLeast(0.995);
/// Rounds of the storm's measurement: some three seconds.
const STORM_ROUNDS: &str = "storm 60000";
/// Names come a blocks' age of 6 s after the alarm, and reading Node's symbols takes us a second of CPU time.
const SETTLE: Duration = Duration::from_secs(9);

/// Adds the table.
pub(super) fn added(section: Section, bench: &Bench) -> Result<Section> {
    let addon = addon(ADDON)?;
    let addon = addon.to_string_lossy();
    let [auto, growth] = [["--native", "auto"], ["--native", "growth"]];
    let server = Node::start("server", &[&addon])?;
    let (auto, growth) = (served(bench, &server, &auto)?, served(bench, &server, &growth)?);
    let mut storm = Node::start("native", &[&addon, "leak"])?;
    let blocks = stormed(bench, &mut storm)?;
    let mut section = section.says(
        "Programs that leak 1 MB/s, so that the alarm keeps windows coming: the server of above, and an addon that takes and \
         frees blocks without a pause. All of memwatch-bpf is attached, with the default budget of 1 %, since some seconds. \
         How far the machine itself goes up and down between such runs is what not / not says.",
    );
    let cpu = |served: &Served| served.cpu_s;
    let rows = [
        compared("`auto`: requests a second", &auto, |served| served.load.per_s, 1.0, HTTP[0]),
        compared("`auto`: 99th percentile, ms", &auto, |served| served.load.p99_s, 1e3, HTTP[1]),
        compared("`auto`: CPU time a request, µs", &auto, cpu, 1e6, Bar::AtMost(1.02)),
        compared("`auto`: millions of blocks a second", &blocks, |per_us| *per_us, 1.0, STORM),
        compared("`growth`: requests a second", &growth, |served| served.load.per_s, 1.0, GROWTH),
        compared("`growth`: CPU time a request, µs", &growth, cpu, 1e6, Bar::AtMost(1.005)),
    ];
    section.table(COMPARED, rows);
    windows::added(section, bench, &server, &mut storm)
}

fn served(bench: &Bench, server: &Node, mode: &[&str]) -> Result<Pairs<Served>> {
    let pid = server.pid();
    // Compiled and grown before it counts.
    http::load(&server.hello)?;
    Pairs::measure(bench.rounds, |attached| {
        let tool = attached.then(|| alarmed(pid, bench, mode)).transpose()?;
        let measured = http::served(server)?;
        tool.map(Tool::detach).transpose()?;
        Ok(measured)
    })
}

/// Millions of blocks a second, by the wall clock.
fn stormed(bench: &Bench, node: &mut Node) -> Result<Pairs<f64>> {
    node.ask(STORM_ROUNDS)?;
    Pairs::measure(bench.rounds, |attached| {
        let tool = attached.then(|| alarmed(node.pid(), bench, &["--native", "auto"])).transpose()?;
        let per_us = node.ask(STORM_ROUNDS)?;
        tool.map(Tool::detach).transpose()?;
        Ok(per_us)
    })
}

/// Attached, the alarm has been raised, and the first sites have been named.
fn alarmed(pid: u32, bench: &Bench, mode: &[&str]) -> Result<Tool> {
    let tool = Tool::attach_with(&[pid], &bench.cache, mode)?;
    tool.wait_for(GOVERNOR)?;
    thread::sleep(SETTLE);
    Ok(tool)
}

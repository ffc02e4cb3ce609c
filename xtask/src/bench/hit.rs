//! What one hit of a probe costs the target: calls of a function that carries a return probe, outside of any
//! collection, with and without the probe.

use anyhow::Result;

use super::Bench;
use super::bpf_stats::BpfStats;
use super::node::Node;
use super::page::Section;
use super::stats::median;
use super::tool::Tool;

/// Calls a measurement: some tenths of a second.
const CALLS: u32 = 200_000;

/// What was measured, in nanoseconds but for the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// A call without a probe.
    bare: f64,
    /// A hit in a process that is watched.
    pub(super) watched: f64,
    /// Of it, our program's part.
    pub(super) program: f64,
    /// A hit in a process that is not watched, and runs the same file.
    other: f64,
    /// Hits a call.
    hits: f64,
}

/// The section.
pub(super) fn section(bench: &Bench) -> Result<Section> {
    let cost = cost(bench)?;
    let mut section = Section::new("hit", "Cost of a hit").says(
        "`v8.getHeapStatistics()` in a loop: it calls `Heap::SizeOfObjects`, which carries a return probe (two traps, at \
         the entry and at the return; probes at entries have one). CPU time that a call takes more, divided by its hits.",
    );
    let row = |what: &str, ns: f64| [what.to_owned(), format!("{ns:.0} ns")];
    let rows = [
        row("a call, nothing attached", cost.bare),
        ["hits a call, counted by the kernel".to_owned(), format!("{:.2}", cost.hits)],
        row("a hit in a watched process", cost.watched),
        row("of it, our eBPF program", cost.program),
        row("a hit in another process that runs the same file", cost.other),
    ];
    section.table(["", "median"], rows);
    Ok(section)
}

/// The cost of a hit; measured once.
pub(super) fn cost(bench: &Bench) -> Result<Cost> {
    if let Some(cost) = bench.hit.get() {
        return Ok(*cost);
    }
    let cost = measure(bench)?;
    Ok(*bench.hit.get_or_init(|| cost))
}

fn measure(bench: &Bench) -> Result<Cost> {
    let (mut node, bystander) = (Node::start("calls", &[])?, Node::start("idle", &[])?);
    let (hits, program) = counted(&mut node, bench)?;
    let [mut bare, mut watched, mut other] = [const { Vec::new() }; 3];
    for _ in 0..bench.rounds {
        bare.push(call(&mut node)?);
        for (whom, times) in [(node.pid(), &mut watched), (bystander.pid(), &mut other)] {
            let tool = Tool::attach(&[whom], &bench.cache)?;
            times.push(call(&mut node)?);
            tool.detach()?;
        }
    }
    let bare = median(bare);
    let a_hit = |times| (median(times) - bare) / hits;
    Ok(Cost { bare, watched: a_hit(watched), other: a_hit(other), program, hits })
}

/// Hits a call, and how long our program runs at each.
fn counted(node: &mut Node, bench: &Bench) -> Result<(f64, f64)> {
    let tool = Tool::attach(&[node.pid()], &bench.cache)?;
    let stats = BpfStats::on(tool.pid())?;
    call(node)?;
    let runs = stats.runs()?;
    tool.detach()?;
    Ok((runs.count as f64 / f64::from(CALLS), runs.time_ns as f64 / runs.count as f64))
}

/// Nanoseconds a call.
fn call(node: &mut Node) -> Result<f64> {
    node.ask(&CALLS.to_string())
}

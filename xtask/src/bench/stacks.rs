//! What stacks of JavaScript cost the target.

use std::process::Command;

use anyhow::{Result, bail};

use super::bpf_stats::BpfStats;
use super::node::Node;
use super::page::{Bar, Section};
use super::pairs::Pairs;
use super::stats::{Estimate, median};
use super::tool::Tool;
use super::{Bench, hit, took};
use crate::cargo::cargo;
use crate::repo;

/// What is asked for.
const STACKS: [&str; 2] = ["--stacks", "on"];
/// Megabytes a second at which the bar holds, and those that the program allocates when asked to work.
const RATE: f64 = 500.0;
const MEGABYTES: f64 = 500.0;
/// Portions of work a measurement.
const PORTIONS: usize = 4;
/// Of its throughput, so much is left at that rate.
const BAR: Bar = Bar::AtLeast(0.99);
/// The program that measures how fast stacks get names.
const SYMBOLISE: &str = "symbolise";
/// Stacks of known functions that get names in a second.
const NAMED: Bar = Bar::AtLeast(200_000.0);

/// The section.
pub(super) fn section(bench: &Bench) -> Result<Section> {
    let mut section = Section::new("stacks", "Stacks of JavaScript").says(
        "Time in the kernel from the beginning to the end of our programs, by the clock that they read there themselves, in \
         steps of 32 ns; an empty program that does only that is the first row. The trap around it costs what it costs at \
         any probe. A sample is taken for each 512 kB that are allocated; at the start of a collection the stack is walked \
         before its pause begins.",
    );
    took::table(&mut section)?;
    named(throughput(bench, section, hit::cost(bench)?.watched)?)
}

/// Names, of the stacks that a fixture of the tests has.
fn named(section: Section) -> Result<Section> {
    cargo().args(["build", "--release", "--package", "memwatch-user", "--example", SYMBOLISE]).run()?;
    let node = Node::fixture("stacks")?;
    let output = Command::new(repo::root().join("target/release/examples").join(SYMBOLISE))
        .arg(node.pid().to_string())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = said.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    let [rate, bytes, functions, stacks] = figures[..] else {
        bail!("{SYMBOLISE}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let mut section = section.says(&format!(
        "Names for stacks, of which a program has {stacks:.0} with {functions:.0} functions in all tiers. A stack is named when \
         it is met first; what is allocated there from then on is counted in the kernel.",
    ));
    let rows = [
        ["stacks of known functions named in a second".to_owned(), format!("{rate:.0}"), NAMED.judge(rate)],
        [
            "read from the process for each new function".to_owned(),
            format!("{bytes:.0} bytes"),
            String::new(),
        ],
    ];
    section.table(["", "measured", "bar"], rows);
    Ok(section)
}

fn throughput(bench: &Bench, section: Section, hit_ns: f64) -> Result<Section> {
    let mut node = Node::start("stacks", &[])?;
    let pid = node.pid();
    let (hits, extra_ns) = extra(bench, &mut node)?;
    let pairs = Pairs::measure(bench.rounds, |attached| {
        let tool = attached.then(|| Tool::attach_with(&[pid], &bench.cache, &STACKS)).transpose()?;
        let cpu_s = work(&mut node)?;
        tool.map(Tool::detach).transpose()?;
        Ok(cpu_s)
    })?;
    let bare = median(pairs.bare().copied());
    // A second in which so much is allocated has this much of it left for the program.
    let cost_s = (hits * hit_ns + extra_ns) * 1e-9 / MEGABYTES * RATE;
    let (ratio, null) = (pairs.ratio(|cpu_s| *cpu_s), pairs.null_ratio(|cpu_s| *cpu_s));
    let mut section = section.says(&format!(
        "A program that does nothing but allocate small objects, which die at once: V8 moves a pointer and fills them, at \
         {:.0} MB for each second of CPU time (as many bytes as V8's own trace of collections has). CPU time attached, as a \
         ratio: no server works like that. The bound for {RATE} MB a second counts {:.0} hits, each with its trap, and the \
         time of our programs.",
        MEGABYTES * PORTIONS as f64 / bare, hits / MEGABYTES * RATE,
    ));
    section.table(["", "measured", "bar"], rows(&ratio, &null, cost_s));
    Ok(section)
}

/// What a program keeps of its speed.
fn rows(ratio: &Estimate, null: &Estimate, cost_s: f64) -> [[String; 3]; 3] {
    [
        [
            "CPU time, attached / not (95 %)".to_owned(),
            format!("{:.4} ({:.4} to {:.4})", ratio.value, ratio.low, ratio.high),
            String::new(),
        ],
        [
            "CPU time, not / not (95 %)".to_owned(),
            format!("{:.4} ({:.4} to {:.4})", null.value, null.low, null.high),
            String::new(),
        ],
        [
            format!("throughput left at {RATE} MB a second, bound"),
            format!("{:.4}", 1.0 - cost_s),
            BAR.judge(1.0 - cost_s),
        ],
    ]
}

/// Hits while the program allocates [`MEGABYTES`], and the nanoseconds of our programs in them.
fn extra(bench: &Bench, node: &mut Node) -> Result<(f64, f64)> {
    let tool = Tool::attach_with(&[node.pid()], &bench.cache, &STACKS)?;
    let stats = BpfStats::on(tool.pid())?;
    let before = stats.runs()?;
    node.ask("work")?;
    let runs = stats.runs()?;
    tool.detach()?;
    Ok(((runs.count - before.count) as f64, (runs.time_ns - before.time_ns) as f64))
}

/// CPU time of some work, seconds.
fn work(node: &mut Node) -> Result<f64> {
    let mut micros = 0.0;
    for _ in 0..PORTIONS {
        micros += node.ask("work")?;
    }
    Ok(micros * 1e-6)
}

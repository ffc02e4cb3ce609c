//! What reading a heap from outside costs the process, beside V8's own snapshot of the same process.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Bench;
use super::node::Node;
use super::page::{Bar, Section};
use super::stats::median;
use crate::repo;

/// Megabytes of objects, and for how many milliseconds the process may see a pause of the default at most.
const HEAPS: [(u32, Bar); 3] = [(20, Bar::AtMost(20.0)), (250, Bar::AtMost(50.0)), (1000, Bar::AtMost(50.0))];
/// V8's own snapshot of larger heaps takes minutes and gigabytes.
const LARGEST_SNAPSHOT: u32 = 250;
/// What a pause is allowed to be.
const PAUSES: [&str; 2] = ["auto", "500ms"];
/// How often the memory of ours is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// Seconds until an answer about 250 MB is there.
const ANSWER: (u32, Bar) = (250, Bar::AtMost(1.5));
/// Bytes that we may take for each object, beside those of the heap.
const AN_OBJECT: f64 = 24.0;
/// Bytes of a megabyte.
const MB: f64 = 1e6;

/// A reading of a heap.
struct Reading {
    taken: String,
    /// Milliseconds that it says the process stood still for.
    said: f64,
    /// Milliseconds that a timer of the process was late.
    seen: f64,
    objects: f64,
    answer_s: f64,
    peak_bytes: f64,
}

/// The section.
pub(super) fn section(bench: &Bench) -> Result<Section> {
    let mut section = Section::new("heap", "Reading a heap").says(
        "`memwatch-bpf heap` about a process that holds small objects, and V8's own `writeHeapSnapshot` of the same process \
         afterwards. A pause is what the answer says, and how late a timer of one millisecond in the process was; the \
         first row of each size is that timer in a second in which nobody reads the heap. Medians; the bar is for the \
         largest of the pauses that the process saw. `auto`, the default, allows 50 ms. The bar for our memory is the size \
         of the heap as V8 has it, and 24 bytes for each object.",
    );
    let mut rows = Vec::new();
    for (megabytes, bar) in HEAPS {
        rows.extend(of_size(bench, megabytes, bar)?);
    }
    section.table(
        ["heap", "read", "said, ms", "seen, ms (largest)", "bar", "answer, s", "our memory, MB"],
        rows,
    );
    Ok(section)
}

fn of_size(bench: &Bench, megabytes: u32, bar: Bar) -> Result<Vec<[String; 7]>> {
    let mut node = Node::start_with(&["--max-old-space-size=4096"], "heap", &[&megabytes.to_string()])?;
    let committed = node.ask("committed")?;
    let heap = format!("{:.0} MB", committed / MB);
    let row = |read: &str, seen: String| {
        [heap.clone(), read.to_owned(), String::new(), seen, String::new(), String::new(), String::new()]
    };
    let mut rows = vec![row("not at all", format!("{:.1}", quiet(&mut node)?))];
    for pause in PAUSES {
        let readings: Vec<Reading> =
            (0..bench.rounds).map(|_| read(&mut node, pause)).collect::<Result<_>>()?;
        let bar = if pause == PAUSES[0] { Some(bar) } else { None };
        let cells = measured(&readings, bar, megabytes, committed);
        let [said, seen, judged, answer, memory] = cells;
        rows.push([
            heap.clone(),
            format!("`--pause {pause}`: {}", ways(&readings)),
            said,
            seen,
            judged,
            answer,
            memory,
        ]);
    }
    if megabytes <= LARGEST_SNAPSHOT {
        rows.push(row("`writeHeapSnapshot`", format!("{:.0}", node.ask("snapshot")?)));
    }
    Ok(rows)
}

/// How late the timer is when nobody reads the heap.
fn quiet(node: &mut Node) -> Result<f64> {
    node.ask("gap")?;
    thread::sleep(Duration::from_secs(1));
    node.ask("gap")
}

fn measured(readings: &[Reading], bar: Option<Bar>, megabytes: u32, committed: f64) -> [String; 5] {
    let middle = |of: fn(&Reading) -> f64| median(readings.iter().map(of));
    let largest = readings.iter().map(|reading| reading.seen).fold(0.0, f64::max);
    let (answer, peak) = (middle(|it| it.answer_s), middle(|it| it.peak_bytes));
    let is_judged = bar.is_some() && megabytes == ANSWER.0;
    let judged =
        |bar: Bar, figure: f64| if is_judged { format!(" ({})", bar.judge(figure)) } else { String::new() };
    let room = (committed + AN_OBJECT * middle(|it| it.objects)) / MB;
    [
        format!("{:.1}", middle(|it| it.said)),
        format!("{:.1} ({largest:.1})", middle(|it| it.seen)),
        bar.map_or_else(String::new, |bar| bar.judge(largest)),
        format!("{answer:.2}{}", judged(ANSWER.1, answer)),
        format!("{:.0}{}", peak / MB, judged(Bar::AtMost(room.round()), peak / MB)),
    ]
}

/// How heaps were taken, and how often.
fn ways(readings: &[Reading]) -> String {
    let mut ways: Vec<&str> = readings.iter().map(|reading| reading.taken.as_str()).collect();
    ways.sort_unstable();
    let counted = |group: &[&str]| format!("{} {}", group.len(), group[0]);
    ways.chunk_by(|a, b| a == b).map(counted).collect::<Vec<_>>().join(", ")
}

fn read(node: &mut Node, pause: &str) -> Result<Reading> {
    node.ask("gap")?;
    let start = Instant::now();
    let (answer, peak_bytes) = answered(node.pid(), pause)?;
    let answer_s = start.elapsed().as_secs_f64();
    let number = |value: &Value| value.as_f64().context("an answer without a figure");
    Ok(Reading {
        taken: answer["taken"].as_str().context("an answer without a way")?.to_owned(),
        said: number(&answer["pause_us"])? / 1e3,
        seen: node.ask("gap")?,
        objects: number(&answer["totals"]["objects"])?,
        answer_s,
        peak_bytes,
    })
}

/// The answer about the heap of `pid`, and the bytes that were resident at most.
fn answered(pid: u32, pause: &str) -> Result<(Value, f64)> {
    let mut command = Command::new(repo::shipped_binary());
    command.args(["heap", "--json", "--pause", pause, "--pid", &pid.to_string()]).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot start memwatch-bpf")?;
    let peak = peak_of(child.id());
    let answer = rest(&mut child)?;
    let peak = peak.join().ok().flatten().context("its memory is unknown")?;
    Ok((serde_json::from_str(&answer)?, peak))
}

fn rest(child: &mut Child) -> Result<String> {
    let mut stdout = child.stdout.take().context("its standard output is no pipe")?;
    let answer = std::io::read_to_string(&mut stdout)?;
    let status = child.wait()?;
    if !status.success() {
        bail!("memwatch-bpf heap: {status}");
    }
    Ok(answer)
}

/// Looks at what is resident until the process has ended.
fn peak_of(pid: u32) -> thread::JoinHandle<Option<f64>> {
    thread::spawn(move || {
        let mut peak = None;
        while let Some(bytes) = high_water(pid) {
            peak = Some(bytes);
            thread::sleep(LOOK);
        }
        peak
    })
}

fn high_water(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim_end_matches("kB").trim().parse::<f64>().ok().map(|kib| kib * 1024.0)
}

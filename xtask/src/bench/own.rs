//! What the tool itself costs.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::node::Node;
use super::page::{Bar, Section};
use super::stats::median;
use super::tool::Tool;
use super::{Bench, pipeline};

/// Milliseconds between collections: as fast as they go, and as fast as a busy service.
const STORMS: [(&str, &str); 2] = [("back to back", "0"), ("of a busy service", "50")];
/// How long collections are watched for their CPU time.
const WATCHED: Duration = Duration::from_secs(4);
/// What the first moments cost is not what a collection costs.
const SETTLE: Duration = Duration::from_millis(500);
/// Resident, one target, MiB.
const RSS: Bar = Bar::AtMost(20.0);
/// Collections a second from bytes to verdict, millions.
const EVENTS: Bar = Bar::AtLeast(1.0);
/// Resident sizes of what is read from /proc.
const READ: [&str; 2] = ["100 MiB", "1024 MiB"];
/// Targets of the second measurement of memory.
const MANY: usize = 10;

type Row = [String; 3];

/// The section.
pub(super) fn section(bench: &Bench) -> Result<Section> {
    let mut section = Section::new("own", "Our own cost").says(
        "CPU time by the scheduler's own account, while records are written as JSON. Memory after all targets are attached \
         and have collected. Events a second by replay of a recorded process, on one core. Detaching waits for the kernel, \
         which removes a probe in some hundredths of a second: the report is written before. A full reading is done as \
         seldom as it takes to stay below 0.5 % of one CPU.",
    );
    let mut rows = Vec::new();
    for (what, every_ms) in STORMS {
        rows.push(cpu(bench, what, every_ms)?);
    }
    rows.push(memory(bench, 1)?);
    rows.push(memory(bench, MANY)?);
    rows.push(events()?);
    for size in READ {
        rows.push(reading(size)?);
    }
    rows.extend(detaching(bench)?);
    section.table(["", "measured", "bar"], rows);
    Ok(section)
}

fn cpu(bench: &Bench, what: &str, every_ms: &str) -> Result<Row> {
    let node = Node::start("storm", &[every_ms])?;
    let mut tool = Tool::attach(&[node.pid()], &bench.cache)?;
    thread::sleep(SETTLE);
    let (began, cpu_s, collections) = (Instant::now(), cpu_seconds(tool.pid())?, tool.collections());
    thread::sleep(WATCHED);
    let cpu_s = cpu_seconds(tool.pid())? - cpu_s;
    let (seconds, collections) = (began.elapsed().as_secs_f64(), (tool.collections() - collections) as f64);
    tool.detach()?;
    let what = format!("CPU time for 1000 collections, {what} ({:.0} a second)", collections / seconds);
    Ok([what, format!("{:.1} ms", cpu_s * 1e6 / collections), String::new()])
}

/// CPU time of all threads that are alive.
pub(super) fn cpu_seconds(pid: u32) -> Result<f64> {
    let mut total = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        // A thread may end meanwhile.
        let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        let nanos = text.split_whitespace().next().and_then(|first| first.parse::<f64>().ok());
        total += nanos.context("no CPU time in schedstat")? * 1e-9;
    }
    Ok(total)
}

fn memory(bench: &Bench, targets: usize) -> Result<Row> {
    let nodes = (0..targets).map(|_| Node::start("storm", &["50"])).collect::<Result<Vec<_>>>()?;
    let pids: Vec<u32> = nodes.iter().map(Node::pid).collect();
    let tool = Tool::attach(&pids, &bench.cache)?;
    thread::sleep(WATCHED);
    let status = fs::read_to_string(format!("/proc/{}/status", tool.pid()))?;
    let (rss, anon) = (mebibytes(&status, "VmRSS")?, mebibytes(&status, "RssAnon")?);
    tool.detach()?;
    let met = if targets == 1 { RSS.judge(rss) } else { String::new() };
    let plural = if targets == 1 { "" } else { "s" };
    let measured = format!("{rss:.1}, of which {anon:.1} are not of files");
    Ok([format!("resident memory, {targets} target{plural}, MiB"), measured, met])
}

/// A field of /proc/PID/status.
pub(super) fn mebibytes(status: &str, field: &str) -> Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    kibibytes.map(|kib| kib / 1024.0).with_context(|| format!("no {field} in status"))
}

fn events() -> Result<Row> {
    let millions = pipeline::events_per_second()? / 1e6;
    let what = "collections a second, from bytes to verdict, millions".to_owned();
    Ok([what, format!("{millions:.1}"), EVENTS.judge(millions)])
}

fn reading(size: &str) -> Result<Row> {
    let seconds = pipeline::seconds_of_a_reading(size)?;
    Ok([
        format!("one full reading of a process with {size}"),
        format!("{:.1} ms", seconds * 1e3),
        String::new(),
    ])
}

fn detaching(bench: &Bench) -> Result<[Row; 2]> {
    let node = Node::start("storm", &["1"])?;
    let [mut reported, mut gone] = [const { Vec::new() }; 2];
    for _ in 0..bench.rounds {
        let mut tool = Tool::attach(&[node.pid()], &bench.cache)?;
        tool.first_collection()?;
        let detached = tool.detach()?;
        reported.push(detached.until_reported.as_secs_f64());
        gone.push(detached.until_gone.as_secs_f64());
    }
    let row =
        |what: &str, seconds| [what.to_owned(), format!("{:.0} ms", median(seconds) * 1e3), String::new()];
    Ok([row("from Ctrl-C to the last record", reported), row("from Ctrl-C until all probes are gone", gone)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_status() {
        let status = "VmPeak:\t   99 kB\nVmRSS:\t   2048 kB\nRssAnon:\t     512 kB\n";
        assert!((mebibytes(status, "VmRSS").unwrap() - 2.0).abs() < 1e-9);
        assert!(mebibytes(status, "RssFile").is_err());
    }

    #[test]
    fn this_process_has_used_some_time() {
        assert!(cpu_seconds(std::process::id()).unwrap() > 0.0);
    }
}

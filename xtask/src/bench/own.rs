//! What the tool itself costs.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::footprint::{Footprint, cpu_seconds};
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
/// How long we are attached when our memory is read: what a first look costs, and what is left of half an hour.
const SHORT: Duration = Duration::from_secs(90);
const LONG: Duration = Duration::from_secs(1800);
/// Resident, one target, MiB.
const RSS: Bar = Bar::AtMost(40.0);
/// What each further target adds.
const FURTHER: Bar = Bar::AtMost(10.0);
/// Collections a second from bytes to verdict, millions.
const EVENTS: Bar = Bar::AtLeast(1.0);
/// Resident sizes of what is read from /proc.
const READ: [&str; 2] = ["100 MiB", "1024 MiB"];
/// Targets of the second measurement of memory.
const MANY: usize = 6;

type Row = [String; 3];

/// The section.
pub(super) fn section(bench: &Bench) -> Result<Section> {
    let mut rows = Vec::new();
    for (what, every_ms) in STORMS {
        rows.push(cpu(bench, what, every_ms)?);
    }
    let (memory, features) = memory(bench)?;
    rows.extend(memory);
    rows.push(events()?);
    for size in READ {
        rows.push(reading(size)?);
    }
    rows.extend(detaching(bench)?);
    let mut section = Section::new("own", "Our own cost").says(&format!(
        "With the defaults; on are {features}. CPU time by the scheduler's own account, while records are written as JSON. \
         Memory beside programs that keep 200 kB of objects and as much of buffers a second, so that native memory is looked \
         at as well. Events a second by replay of a recorded process, on one core. Detaching waits for the kernel, which \
         removes a probe in some hundredths of a second: the report is written before. A full reading is done as seldom as \
         it takes to stay below 0.5 % of one CPU.",
    ));
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

/// Processes that grow, under watch.
struct Growing {
    /// Ended when dropped.
    _nodes: Vec<Node>,
    tool: Tool,
}

impl Growing {
    fn start(bench: &Bench, targets: usize) -> Result<Self> {
        let nodes = (0..targets).map(|_| Node::start("growing", &[])).collect::<Result<Vec<_>>>()?;
        let pids: Vec<u32> = nodes.iter().map(Node::pid).collect();
        Ok(Self { tool: Tool::attach(&pids, &bench.cache)?, _nodes: nodes })
    }

    fn end(self) -> Result<Footprint> {
        let footprint = Footprint::of(self.tool.pid())?;
        self.tool.detach()?;
        Ok(footprint)
    }
}

/// What one takes, and what each further one adds, two of us at the same time; also the features that are on.
fn memory(bench: &Bench) -> Result<([Row; 4], String)> {
    let (one, many) = (Growing::start(bench, 1)?, Growing::start(bench, MANY)?);
    let time = if bench.full { LONG } else { SHORT };
    thread::sleep(time);
    let features = one.tool.features()?;
    let (one, many) = (one.end()?, many.end()?);
    let further = (many.rss_mib - one.rss_mib) / (MANY - 1) as f64;
    let maps = format!("{:.1} and {:.1}", one.maps_mib, many.maps_mib);
    let what = format!("resident memory after {} s, 1 target, MiB", time.as_secs());
    let rows = [
        [what, one.resident(), RSS.judge(one.rss_mib)],
        [format!("the same, {MANY} targets"), many.resident(), String::new()],
        ["each further target, MiB".to_owned(), format!("{further:.1}"), FURTHER.judge(further)],
        [format!("the kernel's memory for our maps, 1 and {MANY} targets, MiB"), maps, String::new()],
    ];
    Ok((rows, features))
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

fn detaching(bench: &Bench) -> Result<[Row; 3]> {
    let node = Node::start("storm", &["1"])?;
    let [mut reported, mut ended, mut gone] = [const { Vec::new() }; 3];
    for _ in 0..bench.rounds {
        let mut tool = Tool::attach(&[node.pid()], &bench.cache)?;
        tool.first_collection()?;
        let detached = tool.detach()?;
        reported.push(detached.reported.as_secs_f64());
        ended.push(detached.ended.as_secs_f64());
        gone.push(detached.gone.as_secs_f64());
    }
    let row =
        |what: &str, seconds| [what.to_owned(), format!("{:.0} ms", median(seconds) * 1e3), String::new()];
    Ok([
        row("from Ctrl-C to the last record", reported),
        row("from Ctrl-C to the prompt", ended),
        row("from Ctrl-C until all probes are gone", gone),
    ])
}

//! Many processes at once, as on a host of services: what they take of the tool, and the tool of them.

mod measure;
mod stream;

use std::fs;

use anyhow::{Context as _, Result};

use self::measure::{Measured, WINDOW, measure};
use super::Bench;
use super::page::{Bar, Section};

/// Services that do a little all the time.
const LIGHT: (&str, usize) = ("fleet-light", 100);
/// Services that wait, and how many of them are tried.
const IDLE: (&str, [usize; 3]) = ("fleet-idle", [500, 300, 100]);
/// What an idle Node takes that it does not share with the next one, MiB, and some room.
const IDLE_MIB: usize = 32;

/// Of one CPU, percent.
const CPU_PCT: [Bar; 2] = [Bar::AtMost(1.5), Bar::AtMost(2.0)];
/// Resident, MiB.
const RSS: Bar = Bar::AtMost(80.0);
/// From Ctrl-C to the last record, seconds: what the kernel takes to remove probes is not ours.
const GONE_S: Bar = Bar::AtMost(1.0);
/// Collections that were lost.
const LOST: Bar = Bar::AtMost(0.0);

type Row = [String; 5];

/// The section.
pub(super) fn section(bench: &Bench) -> Result<Section> {
    let light = measure(bench, LIGHT.0, bench.fleet.unwrap_or(LIGHT.1))?;
    let idle = measure(bench, IDLE.0, bench.fleet.map_or_else(with_room, Ok)?)?;
    Ok(written(&light, &idle))
}

/// As many idle processes as the memory that is free has room for.
fn with_room() -> Result<usize> {
    let meminfo = fs::read_to_string("/proc/meminfo").context("cannot read /proc/meminfo")?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib: usize = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0);
    let [.., least] = IDLE.1;
    Ok(IDLE.1.into_iter().find(|count| count * IDLE_MIB < kib / 1024).unwrap_or(least))
}

fn written(light: &Measured, idle: &Measured) -> Section {
    let mut section = Section::new("fleet", "Many processes").says(&format!(
        "Node processes by name, over {} s: {} services that make fifty answers of 1.3 KB a second each, and {} that wait. \
         With the defaults; on are {}. CPU time by the scheduler's account; memory at the end of that time. A new process is \
         one of the same program that starts meanwhile (median). The longest time between two memory records of one process \
         says how late a scrape can be; `--interval` is a second.",
        WINDOW.as_secs(), light.count, idle.count, light.features,
    ));
    let light_heading = format!("{} under light load", light.count);
    let idle_heading = format!("{} idle", idle.count);
    section.table(["", &light_heading, "bar", &idle_heading, "bar"], rows(light, idle));
    section
}

fn rows(light: &Measured, idle: &Measured) -> Vec<Row> {
    let both = [light, idle];
    let row = |what: &str, of: &dyn Fn(&Measured) -> String| judged(what, both, of, |_, _| String::new());
    vec![
        row("from our start until all are attached, s", &|one| format!("{:.1}", one.until_live_s)),
        judged("own CPU, % of one", both, &|one| format!("{:.1}", one.own_pct), |n, one| {
            CPU_PCT[n].judge(one.own_pct)
        }),
        judged("resident memory, MiB", both, &|one| one.footprint.resident(), |_, one| {
            RSS.judge(one.footprint.rss_mib)
        }),
        row("the kernel's memory for our maps, MiB", &|one| format!("{:.1}", one.footprint.maps_mib)),
        row("descriptors", &|one| one.footprint.descriptors.to_string()),
        row("threads", &|one| one.footprint.threads.to_string()),
        row("CPU of all targets, not attached, % of one", &|one| format!("{:.1}", one.alone_pct)),
        row("CPU of all targets, attached, % of one", &|one| format!("{:.1}", one.watched_pct)),
        row("a new process: from its start to its first line, ms", &|one| format!("{:.0}", one.ready_ms)),
        row("a new process: from its start until attached, ms", &|one| format!("{:.0}", one.discovered_ms)),
        row("longest time between two memory records of one, s", &|one| in_words(one.seen.longest_gap_s)),
        row("collections reported in a second", &|one| format!("{:.1}", one.collections_per_s)),
        judged("lost", both, &|one| one.seen.lost.to_string(), |_, one| LOST.judge(one.seen.lost as f64)),
        judged(
            "from Ctrl-C to the last record, s",
            both,
            &|one| format!("{:.2}", one.reported_s),
            |_, one| GONE_S.judge(one.reported_s),
        ),
        row("from Ctrl-C to the prompt, s", &|one| format!("{:.2}", one.ended_s)),
        row("from Ctrl-C until all probes are gone, s", &|one| format!("{:.2}", one.gone_s)),
    ]
}

fn judged(
    what: &str,
    both: [&Measured; 2],
    of: &dyn Fn(&Measured) -> String,
    bar: impl Fn(usize, &Measured) -> String,
) -> Row {
    let [light, idle] = both;
    [what.to_owned(), of(light), bar(0, light), of(idle), bar(1, idle)]
}

fn in_words(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "not two of any".to_owned(), |seconds| format!("{seconds:.1}"))
}

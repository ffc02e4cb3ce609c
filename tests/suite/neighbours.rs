//! What one target does delays no other one, and not the end of the watch either.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use memwatch_tests::{machine, node, tool};
use memwatch_user::report::record::{Body, Record};

/// How long the watch is to last, and the time between scrapes: the default.
const DURATION_S: f64 = 12.0;

/// A process that makes sixty workers a second keeps whoever reads its memory waiting for seconds (Node 24, measured): names of
/// its stacks are read beside the loop, so that a neighbour is scraped as often as was asked for, and the watch ends when
/// it should. Read on the loop, the neighbour was scraped three times in a watch of 15 seconds, which took 62.
#[test]
fn a_storm_of_workers_starves_nobody() -> Result<()> {
    let _machine = machine::shared();
    let mut storm = node::start("24.21.0", "worker_storm")?.ready()?;
    let mut neighbour = node::running("leak_fast")?;
    let pids = format!("{},{}", storm.pid(), neighbour.pid());
    let duration = format!("{DURATION_S}s");
    let began = Instant::now();
    let done = tool::run(&["--pid", &pids, "--duration", &duration, "--interval", "500ms", "--json"])?;
    let took_s = began.elapsed().as_secs_f64();
    let records = done.records()?;
    let watched_s = watched(&records).context("no bye")?;
    // On a busy machine all of it takes longer, and does so by less than twice.
    ensure!(watched_s < 2.0 * DURATION_S, "watched for {watched_s} s");
    // Attaching and detaching take some seconds on a busy machine, and no more because of the storm.
    ensure!(took_s < 4.0 * DURATION_S, "it took {took_s} s");
    let scrapes = scrapes(&records, neighbour.pid());
    ensure!(scrapes as f64 > watched_s, "the neighbour was scraped {scrapes} times in {watched_s} s");
    storm.healthy()?;
    neighbour.healthy()?;
    Ok(())
}

fn watched(records: &[Record]) -> Option<f64> {
    records.iter().find_map(|record| match &record.body {
        Body::Bye(bye) => Some(bye.watched_s),
        _ => None,
    })
}

fn scrapes(records: &[Record], pid: u32) -> usize {
    records.iter().filter(|record| tool::of(record, pid) && matches!(record.body, Body::Memory(_))).count()
}

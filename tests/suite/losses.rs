//! What one process loses is nothing to the others.

use anyhow::{Result, ensure};
use memwatch_common::names::RING_BYTES;
use memwatch_tests::{
    machine,
    node::{self, Node},
    releases,
    tool::{self, Tool},
};
use memwatch_user::report::record::{Body, Loss, Record, Verdict};
use rustix::process::Signal;

/// More collections than the ring buffer has room for, whatever a record takes beyond its 112 bytes.
const TOO_MANY: u32 = 2 * RING_BYTES / 112;

fn start() -> Result<Node> {
    node::start(releases::USUAL, "collects_when_told")?.flag("--expose-gc").ready()
}

fn losses(records: &[Record], pid: u32) -> Vec<&Loss> {
    let of_target = records.iter().filter(|record| tool::of(record, pid));
    of_target
        .filter_map(|record| if let Body::Loss(loss) = &record.body { Some(loss) } else { None })
        .collect()
}

fn last_verdict(records: &[Record], pid: u32) -> Option<&Verdict> {
    let of_target = records.iter().filter(|record| tool::of(record, pid));
    let mut verdicts = of_target.filter_map(|record| match &record.body {
        Body::Verdict(verdict) if verdict.isolate.is_some() => Some(&**verdict),
        _ => None,
    });
    verdicts.next_back()
}

fn speaks_of_losses(verdict: &Verdict) -> bool {
    verdict.evidence.iter().any(|sentence| sentence.contains("were lost"))
}

/// The reader stands still while one process fills the ring buffer.
#[test]
fn a_process_that_loses_collections_spoils_no_other_verdict() -> Result<()> {
    let _machine = machine::shared();
    let (mut noisy, mut quiet) = (start()?, start()?);
    let mut tool = Tool::watch(&[noisy.pid(), quiet.pid()])?;
    // The quiet one has collections of its own, all of which are seen.
    let (of_noisy, of_quiet) = (noisy.pid(), quiet.pid());
    for node in [&mut noisy, &mut quiet] {
        node.tell("compact 3")?;
        node.said("compacted")?;
    }
    tool.signal(Signal::STOP)?;
    noisy.tell(&format!("collect {TOO_MANY}"))?;
    let collected = noisy.said("collected");
    tool.signal(Signal::CONT)?;
    collected?;
    let is_loss = |record: &Record| matches!(&record.body, Body::Loss(loss) if loss.lost > 0);
    tool.wait("the loss", |record| tool::of(record, of_noisy) && is_loss(record))?;
    // Verdicts take it in with the next mark-compact, and are put side by side when the process is next looked at.
    for node in [&mut noisy, &mut quiet] {
        node.tell("compact 1")?;
        node.said_times("compacted", 2)?;
    }
    let looks = tool.records()?.iter().filter(|record| matches!(record.body, Body::Memory(_))).count();
    tool.wait_all("looks", looks + 6, |record| matches!(record.body, Body::Memory(_)))?;
    let records = tool.interrupt()?.records()?;

    let lost = losses(&records, of_noisy);
    ensure!(lost.iter().any(|loss| loss.reasons.contains_key("ring-full")), "{lost:?}");
    ensure!(lost.windows(2).all(|pair| pair[0] != pair[1]), "one number twice: {lost:?}");
    ensure!(losses(&records, of_quiet).iter().all(|loss| loss.lost == 0), "{:?}", losses(&records, of_quiet));
    let verdict = last_verdict(&records, of_noisy);
    ensure!(verdict.is_some_and(speaks_of_losses), "{verdict:?}");
    let verdict = last_verdict(&records, of_quiet);
    ensure!(verdict.is_some_and(|verdict| !speaks_of_losses(verdict)), "{verdict:?}");
    noisy.healthy()?;
    quiet.healthy()
}

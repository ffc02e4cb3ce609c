//! Main thread and workers are told apart: each isolate has its thread, its series and its limit.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    machine, node,
    node::Node,
    releases,
    tool::{self, Tool},
    trace_gc::Line,
};
use memwatch_user::report::record::{Body, Gc, Isolate, IsolateState, Record};

use crate::compare::{is, same};

#[test]
fn three_workers_and_the_main_thread() -> Result<()> {
    let _machine = machine::shared();
    for version in releases::chosen() {
        workers(version).with_context(|| format!("Node {version}"))?;
    }
    Ok(())
}

fn workers(version: &str) -> Result<()> {
    let mut node = node::start(version, "workers")?.traced().ready()?;
    let mut tool = Tool::watch(&[node.pid()])?;
    let before = node.collections()?;
    let threads = described(&mut node)?;
    for (thread, _) in &threads {
        tool.wait_all("collection", 8, |record| tool::gc(record).is_some_and(|gc| gc.thread == *thread))?;
    }
    node.stop()?;
    let records = tool.finish()?.records()?;
    let mut serials = BTreeSet::new();
    let mut addresses = BTreeSet::new();
    for (thread, limit) in threads {
        let ours = tool::collections(&records, node.pid());
        let ours = ours.into_iter().filter(|gc| gc.thread == thread).collect::<Vec<_>>();
        let serial = ours[0].isolate;
        ensure!(ours.iter().all(|gc| gc.isolate == serial), "thread {thread} has several isolates");
        let isolate = states(&records, serial).next().context("no isolate record")?;
        ensure!((isolate.thread, isolate.worker) == (thread, thread != node.pid()), "{isolate:?}");
        ensure!(isolate.heap_limit == Some(limit), "{isolate:?} instead of {limit}");
        serials.insert(serial);
        addresses.insert(same_as_one_of_v8(&ours, &node.collections()?, &before)?);
    }
    ensure!((serials.len(), addresses.len()) == (4, 4), "{serials:?} {addresses:?}");
    let gone = |serial: &&u32| states(&records, **serial).any(|isolate| isolate.state == IsolateState::Gone);
    ensure!(serials.iter().filter(gone).count() >= 3, "the workers' ends are not reported");
    Ok(())
}

/// `isolate THREAD LIMIT`, as the fixture says of its four.
fn described(node: &mut Node) -> Result<Vec<(u32, u64)>> {
    let lines = node.stdout.lines()?.iter().filter_map(|line| line.strip_prefix("isolate "));
    let numbers = lines.filter_map(|line| line.split_once(' '));
    let threads =
        numbers.map(|(thread, limit)| Ok((thread.parse()?, limit.parse()?))).collect::<Result<Vec<_>>>()?;
    ensure!(threads.len() == 4, "{threads:?}");
    Ok(threads)
}

fn states(records: &[Record], serial: u32) -> impl Iterator<Item = &Isolate> {
    records.iter().filter_map(move |record| match &record.body {
        Body::Isolate(isolate) if isolate.isolate == serial => Some(isolate),
        _ => None,
    })
}

/// The address of the isolate whose series is ours.
fn same_as_one_of_v8(ours: &[&Gc], theirs: &[Line], before: &[Line]) -> Result<String> {
    let address = theirs.iter().find(|line| line.isolates.len() == 1 && is(ours[0], line));
    let address = address.context("V8 does not know our first collection")?.isolates[0].clone();
    let of_address = |lines: &[Line]| -> Vec<Line> {
        let may_be = |line: &&Line| line.isolates.contains(&address);
        let certain = |line: &&Line| line.isolates.len() == 1 || ours.iter().any(|gc| is(gc, line));
        lines.iter().filter(may_be).filter(certain).cloned().collect()
    };
    same(ours, &of_address(theirs), of_address(before).len())?;
    Ok(address)
}

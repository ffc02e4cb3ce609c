//! Our series of collections against V8's own.

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    node::Node,
    tool::{self, Tool},
    trace_gc::Line,
};
use memwatch_user::report::record::{Gc, Record};

/// Waits until the tool has reported `full` mark-compacts and `all` collections of `pid`.
pub(crate) fn wait_for_collections(tool: &mut Tool, pid: u32, full: usize, all: usize) -> Result<()> {
    tool.wait_all("mark-compact", full, |record| {
        tool::of(record, pid) && tool::gc(record).is_some_and(|gc| gc.kind.is_full())
    })?;
    tool.wait_all("collection", all, |record| tool::of(record, pid) && tool::gc(record).is_some())?;
    Ok(())
}

/// Watches `node` until there were enough collections, lets it end, and compares; our pauses less V8's,
/// microseconds.
pub(crate) fn watch_and_compare(node: &mut Node, full: usize, all: usize) -> Result<Vec<f64>> {
    let mut tool = Tool::watch(&[node.pid()])?;
    let before = node.collections()?.len();
    wait_for_collections(&mut tool, node.pid(), full, all)?;
    node.stop()?;
    let finished = tool.finish()?;
    finished.done()?;
    let records = finished.records()?;
    same(&tool::collections(&records, node.pid()), &node.collections()?, before)
}

/// The two series end together, and ours has everything since the attach: `before` is how many lines V8 had printed when
/// we knew that we were attached; only the collection that ran at that moment may be missing.
pub(crate) fn same(ours: &[&Gc], theirs: &[Line], before: usize) -> Result<Vec<f64>> {
    let (n, m) = (ours.len(), theirs.len());
    ensure!(n <= m, "{n} collections reported, V8 had {m}");
    let skipped = m - n;
    let theirs = &theirs[skipped..];
    let errors = ours.iter().zip(theirs).enumerate().map(|(i, (ours, theirs))| {
        equal(ours, theirs).with_context(|| format!("collection {i} of {n}; V8 had {m}, {before} before"))
    });
    let errors = errors.collect::<Result<_>>()?;
    ensure!(skipped <= before + 1, "{} collections after the attach are missing", skipped - before);
    Ok(errors)
}

/// How many of V8's collections were over when we were attached, where its lines come late, in blocks: inside a container its
/// standard output is no terminal, and nothing there makes it line-buffered. V8 says how old the isolate was at each. When it
/// was born is what most pairs agree on; that they are pairs is for [`same`] to see.
pub(crate) fn before_attach(records: &[Record], pid: u32, theirs: &[Line]) -> Result<usize> {
    let of_it = || records.iter().filter(|record| tool::of(record, pid));
    let attached = of_it().find(|record| tool::is_hello(record)).context("no hello")?.ts.unix_ms();
    let ours: Vec<i64> =
        of_it().filter(|record| tool::gc(record).is_some()).map(|gc| gc.ts.unix_ms()).collect();
    let ages = theirs.iter().map(|line| Ok(i64::try_from(line.at_ms.context("one isolate only")?)?));
    let ages = ages.collect::<Result<Vec<i64>>>()?;
    let mut births: Vec<i64> = ours.iter().rev().zip(ages.iter().rev()).map(|(at, age)| at - age).collect();
    births.sort_unstable();
    let birth = births.get(births.len() / 2).context("no collections")?;
    Ok(ages.iter().filter(|age| *birth + **age <= attached).count())
}

/// Whether both are the same collection, to the byte; our pause less V8's, microseconds.
fn equal(ours: &Gc, theirs: &Line) -> Result<f64> {
    ensure!(is(ours, theirs), "reported {ours:?}, V8 says {theirs:?}");
    if let Some(reason) = &theirs.reason {
        ensure!(ours.reason == *reason, "reported {ours:?}, V8 says {theirs:?}");
    }
    Ok(ours.pause_us as f64 - theirs.pause_ms * 1e3)
}

/// Whether kind and sizes are the same.
pub(crate) fn is(ours: &Gc, theirs: &Line) -> bool {
    (ours.kind.word(), ours.before_bytes, ours.after_bytes)
        == (theirs.kind, Some(theirs.before), Some(theirs.after))
}

/// The median of `values`.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

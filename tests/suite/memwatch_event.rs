//! node-memwatch's `leak` event and its eight statistics, in its words.

use anyhow::{Result, ensure};
use memwatch_tests::{
    machine, node,
    tool::{self, Tool},
};
use memwatch_user::report::record::{Body, Gc, Stats};

/// Mark-compacts in a row that leave more than the one before, for node-memwatch to call it a leak.
const RUN: usize = 5;

#[test]
fn a_growing_heap_in_its_words() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("leak_fast")?;
    let mut tool = Tool::watch(&[node.pid()])?;
    let record = tool.wait("leak event", |record| matches!(record.body, Body::Leak(_)))?;
    let records = tool.interrupt()?.records()?;
    let Body::Leak(leak) = record.body else { unreachable!("it was waited for") };
    let sizes = after_full(&tool::collections(&records, node.pid()));
    ensure!(sizes.windows(RUN).any(<[u64]>::is_sorted), "{sizes:?}");
    ensure!(leak.growth > 0 && leak.end > leak.start, "{leak:?}");
    let words = format!("heap growth over {RUN} consecutive GCs (");
    ensure!(leak.reason.starts_with(&words) && leak.reason.ends_with(" mb/hr"), "{leak:?}");
    Ok(())
}

#[test]
fn statistics_count_what_was_reported() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("mixed_load")?;
    let mut tool = Tool::watch(&[node.pid()])?;
    tool.wait_all("stats", 3, |record| matches!(record.body, Body::Stats(_)))?;
    let records = tool.interrupt()?.records()?;
    let mut seen = Vec::new();
    for record in &records {
        seen.extend(tool::gc(record));
        if let Body::Stats(stats) = &record.body {
            counts(stats, &seen)?;
        }
    }
    Ok(())
}

fn counts(stats: &Stats, seen: &[&Gc]) -> Result<()> {
    let sizes = after_full(seen);
    let full = sizes.len() as u64;
    ensure!((stats.num_full_gc, stats.num_inc_gc) == (full, seen.len() as u64 - full), "{stats:?}");
    ensure!(stats.heap_compactions == full && Some(&stats.current_base) == sizes.last(), "{stats:?}");
    // The original keeps the extremes from the third on.
    let settled = sizes.iter().skip(2).copied();
    ensure!((stats.min, stats.max) == (settled.clone().min(), settled.max()), "{stats:?} {sizes:?}");
    ensure!(
        stats.gc_pause_us.p50 <= stats.gc_pause_us.max && (0.0..=1.0).contains(&stats.gc_share),
        "{stats:?}"
    );
    Ok(())
}

fn after_full(collections: &[&Gc]) -> Vec<u64> {
    collections.iter().filter(|gc| gc.kind.is_full()).filter_map(|gc| gc.after_bytes).collect()
}

//! On official releases under a natural load: count, kind, reason and sizes are V8's own to the byte, nothing is missed
//! and nothing invented, the median pause is within 250 µs of V8's, and the heap limit is what V8 says to JavaScript.

use anyhow::{Context, Result, bail, ensure};
use memwatch_tests::{machine, node, releases, skip, tool::Tool};
use memwatch_user::report::record::Body;

use crate::compare::{median, watch_and_compare};

/// Largest error of the median pause, microseconds. V8 until Node 24 prints tenths of a millisecond. Printing its trace is in our
/// pause and not in V8's: the line of Node 26 took 160 µs on the slowest machine so far, with and without stacks.
const PAUSE_ERROR_US: f64 = 250.0;

const RUNS: usize = 3;

/// A module for each release. Those that are not among [`releases::chosen`] are run with `MEMWATCH_FULL=1` only.
macro_rules! on_every_release {
    ($($name:ident $version:literal),* $(,)?) => { $(
        mod $name {
            #[test]
            fn collections() -> anyhow::Result<()> {
                super::if_chosen($version, super::collections)
            }

            #[test]
            fn heap_limit() -> anyhow::Result<()> {
                super::if_chosen($version, super::heap_limit)
            }
        }
    )* };
}

on_every_release! {
    node_12 "12.22.12", node_14 "14.21.3", node_16 "16.20.2", node_18 "18.20.8", node_20 "20.20.2",
    node_22 "22.23.3", node_24 "24.21.0", node_25 "25.9.0", node_26 "26.10.0",
}

fn if_chosen(version: &str, test: fn(&str) -> Result<()>) -> Result<()> {
    if releases::chosen().contains(&version) {
        return test(version);
    }
    skip(&format!("Node {version}"), "only with MEMWATCH_FULL=1")
}

/// Of the pauses the best of three runs counts: whatever else the machine does can only make ours longer, as our pair of
/// probes encloses V8's own clock readings and the printing of its trace.
fn collections(version: &str) -> Result<()> {
    let _machine = machine::shared();
    let mut error = f64::INFINITY;
    for _ in 0..RUNS {
        let mut node = node::start(version, "mixed_load")?.traced().ready()?;
        error = error.min(median(watch_and_compare(&mut node, 3, 30)?).abs());
        if error <= PAUSE_ERROR_US {
            return Ok(());
        }
    }
    bail!("the median pause is off by {error} µs at best")
}

/// By default, and set by each of the two options that the limit is made of.
fn heap_limit(version: &str) -> Result<()> {
    let _machine = machine::shared();
    for flag in ["--no-warnings", "--max-old-space-size=300", "--max-semi-space-size=8"] {
        let mut node = node::start(version, "heap_limit")?.flag(flag).ready()?;
        let expected = node.said("limit")?.parse::<u64>()?;
        let mut tool = Tool::watch(&[node.pid()])?;
        let record = tool.wait("isolate", |record| matches!(record.body, Body::Isolate(_)))?;
        let Body::Isolate(isolate) = record.body else { unreachable!("it was waited for") };
        let found = isolate.heap_limit.context("the limit is not known")?;
        ensure!(found == expected, "with {flag}: {found}, V8 says {expected}");
    }
    Ok(())
}

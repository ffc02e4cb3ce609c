//! Recorded processes: `--trace-gc-nvp` of Node 20.20.2, 150 s each.

use anyhow::Result;

use crate::{
    detectors::Kind,
    run::{Said, Watcher},
    trace::{Trace, Truth},
};

/// Limit of the recorded heaps, bytes.
pub const LIMIT: f64 = 2096.0 * crate::MIB;
/// Bytes an hour of the recorded leak, by its first and last mark-compact.
const DEBUG_RATE: f64 = 1.63e9;

/// Name, trace, and what is true.
pub const RECORDED: [(&str, &str, Truth); 4] = [
    (
        "debug 4.1.1, which leaks instances",
        include_str!("../../../memwatch-user/tests/traces/debug-leaky.csv"),
        Truth::Leak { rate: DEBUG_RATE, from_s: 0.0 },
    ),
    (
        "debug 4.3.4, in which that is mended",
        include_str!("../../../memwatch-user/tests/traces/debug-fixed.csv"),
        Truth::Healthy,
    ),
    (
        "an LRU cache that fills",
        include_str!("../../../memwatch-user/tests/traces/lru-fill.csv"),
        Truth::Healthy,
    ),
    ("batches", include_str!("../../../memwatch-user/tests/traces/sawtooth.csv"), Truth::Healthy),
];

/// What each detector says about each recorded process, in their order. Fails on a trace that cannot be read.
pub fn replay(kinds: &[Kind]) -> Result<Vec<(&'static str, Truth, Vec<Said>)>> {
    let one = |(name, csv, truth): (&'static str, &str, Truth)| {
        let trace = Trace::parse(csv)?;
        Ok((name, truth, kinds.iter().map(|kind| judged(&trace, truth, kind)).collect()))
    };
    RECORDED.into_iter().map(one).collect()
}

fn judged(trace: &Trace, truth: Truth, kind: &Kind) -> Said {
    let mut watcher = Watcher::of(kind, LIMIT, trace.age_s);
    for c in &trace.collections {
        watcher.collection(c, truth);
    }
    watcher.end()
}

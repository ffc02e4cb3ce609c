//! Recorded traces (`--trace-gc-nvp` of Node 20.20.2) against the judge: real leaks, a fixed version, look-alikes.

use crate::heaps::{Heap, verdicts};
use memwatch_user::{detect::Level, model::Mono, series::Memwatch};

/// Trace, seconds recorded, whether it leaks, its last verdict.
const TRACES: &[(&str, &str, f64, bool, Level)] = &[
    ("debug 4.1.1", include_str!("../traces/debug-leaky.csv"), 150.0, true, Level::Leak),
    ("debug 4.3.4", include_str!("../traces/debug-fixed.csv"), 150.0, false, Level::Stable),
    ("an LRU cache that fills", include_str!("../traces/lru-fill.csv"), 150.0, false, Level::Growing),
    ("batches", include_str!("../traces/sawtooth.csv"), 150.0, false, Level::Stable),
];

#[test]
fn recorded_processes_get_their_verdict() {
    for (name, csv, seconds, leaks, last) in TRACES {
        let seen = verdicts(Heap::recorded(csv), *seconds, 0.0);
        assert_eq!(seen.iter().any(|v| v.1 == Level::Leak), *leaks, "{name}: {seen:?}");
        assert_eq!(seen.last().map(|v| v.1), Some(*last), "{name}: {seen:?}");
    }
}

#[test]
fn a_leak_is_called_no_later_than_half_as_late_again_as_node_memwatch_does() {
    let (_, csv, seconds, ..) = TRACES[0];
    let mut memwatch = Memwatch::default();
    let theirs = Heap::recorded(csv)
        .0
        .iter()
        .filter(|c| c.kind == memwatch_user::model::GcKind::MarkCompact)
        .find_map(|c| memwatch.full_collection(c.end, c.after_bytes))
        .map(|leak| leak.end);
    assert_eq!(theirs, Some(Mono(46_166_000_000)));
    let seen = verdicts(Heap::recorded(csv), seconds, 0.0);
    let ours = seen.iter().find(|v| v.1 == Level::Leak).map(|v| v.0);
    assert!(ours.is_some_and(|at| at <= 1.5 * 46.166), "{seen:?}");
}

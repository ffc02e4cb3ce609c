//! A leaky program's twin: the same, unwatched, with `harness/truth.js`, which collects all garbage at two moments and
//! says what is left. What is watched is not disturbed that way.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use memwatch_lab::live::{
    case::{Case, Run, corpus},
    trace::Truth,
};
use memwatch_tests::node::Node;
use serde_json::Value;

use crate::program;

/// At most so much later than asked for do both speak, seconds: a full collection of a large heap takes a while.
pub(crate) const LATE_S: u64 = 3;

/// The names of the counters.
const COUNTERS: [&str; 7] = ["heap", "external", "array_buffers", "malloc", "rss_anon", "fds", "threads"];

/// A running twin.
pub(crate) struct Twin {
    node: Node,
    /// At which seconds of its life it speaks.
    moments: [f64; 2],
}

impl Twin {
    /// Starts the twin of a run.
    pub(crate) fn start(case: &Case, run: &Run) -> Result<Self> {
        let (attach, secs) = (case.attach_s as f64, case.secs as f64);
        let moments = [attach + secs / 4.0, attach + secs];
        let setting = ("MEMWATCH_TRUTH", moments.map(|moment| moment.to_string()).join(","));
        let preload = corpus().join("harness/truth.js");
        let start = program::program(case, run, &[setting])?.flag("--require");
        Ok(Self { node: start.flag(&preload.to_string_lossy()).ready()?, moments })
    }

    /// What it has said. Fails if it has not spoken twice.
    pub(crate) fn truth(mut self) -> Result<Truth> {
        let lines = self.node.stdout.lines()?;
        let said = lines.iter().filter_map(|line| line.strip_prefix("truth "));
        let said: Vec<Value> = said.map(serde_json::from_str).collect::<Result<_, _>>()?;
        let [quarter, end] = self.moments.map(|moment| total(&said, moment));
        let complaint = || format!("the twin did not speak; {}", self.node.stderr.text().unwrap_or_default());
        let seconds = self.moments[1] - self.moments[0];
        let pair =
            |counter: &'static str| Some((counter.to_owned(), [*quarter.get(counter)?, *end.get(counter)?]));
        let counters: BTreeMap<_, _> = COUNTERS.into_iter().filter_map(pair).collect();
        (!counters.is_empty()).then_some(Truth { seconds, counters }).with_context(complaint)
    }
}

/// Each counter at that moment, all isolates together.
fn total(said: &[Value], moment: f64) -> BTreeMap<&'static str, u64> {
    let mut totals = BTreeMap::new();
    for isolate in said.iter().filter(|isolate| isolate["at"].as_f64() == Some(moment)) {
        for counter in COUNTERS {
            if let Some(value) = isolate[counter].as_f64() {
                *totals.entry(counter).or_default() += whole(value);
            }
        }
    }
    totals
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes and counts below 2^53")]
fn whole(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn isolates_are_added_up() {
        let said = [
            json!({"at": 2.5, "heap": 10, "malloc": 7.0}),
            json!({"at": 2.5, "heap": 5}),
            json!({"at": 9, "heap": 1}),
        ];
        assert_eq!(total(&said, 2.5), BTreeMap::from([("heap", 15), ("malloc", 7)]));
    }
}

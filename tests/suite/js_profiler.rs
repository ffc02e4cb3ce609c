//! What the tool says of where JavaScript allocates is what V8's own sampling heap profiler says.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use memwatch_tests::{machine, node};

use crate::js_stacks;

/// V8's profiler knows functions as they are compiled, without those inlined into them: nothing is inlined, then.
const FLAGS: [(&str, u32); 2] = [("--no-turbo-inlining", 18), ("--no-maglev-inlining", 22)];
/// Before, V8 tells only of what is alive when it is asked: it has no `includeObjectsCollectedByMinorGC`, and collects all
/// garbage before it answers (`kSamplingForceGC`, with the reason `sampling profiler`). Of a program that keeps nothing that
/// is nothing, even if it never collected until then (tried on 18.20 with a young generation of 1 GiB).
const FIRST: u32 = 20;
/// How many sites are compared, how far shares may differ, and which share a site must have to count among them.
const SITES: usize = 10;
const POINTS: f64 = 0.05;
const SMALL: f64 = 0.01;

/// Function to share of the bytes.
type Shares = BTreeMap<String, f64>;

#[test]
fn sites_are_those_of_the_profiler_of_v8() -> Result<()> {
    let _machine = machine::shared();
    for version in js_stacks::releases().filter(|version| js_stacks::major(version) >= FIRST) {
        let (ours, theirs) = both(version)?;
        compare(version, &ours, &theirs)?;
    }
    Ok(())
}

/// What the tool and what V8 say of the same four seconds.
fn both(version: &str) -> Result<(Shares, Shares)> {
    let flags = FLAGS.iter().filter(|(_, since)| js_stacks::major(version) >= *since);
    let start = flags.fold(node::start(version, "stacks_profiled")?, |start, (flag, _)| start.flag(flag));
    let mut node = start.ready()?;
    node.tell("begin")?;
    let (_, stacks) = js_stacks::profile(node.pid(), "4s")?;
    node.tell("end")?;
    let theirs: BTreeMap<String, f64> = serde_json::from_str(&node.said("profile")?)?;
    let mut ours = BTreeMap::new();
    for (stack, bytes) in stacks.iter().filter_map(|line| line.rsplit_once(' ')) {
        let innermost = stack.rsplit(';').find_map(|frame| frame.split_once("/stacks.js:"));
        let function = innermost.and_then(|(function, _)| Some(function.rsplit_once(" /")?.0));
        if let Some(function) = function {
            *ours.entry(function.to_owned()).or_insert(0.0) += bytes.parse::<f64>()?;
        }
    }
    Ok((shares(ours), shares(theirs)))
}

fn shares(bytes: BTreeMap<String, f64>) -> Shares {
    let total: f64 = bytes.values().sum();
    bytes.into_iter().map(|(function, bytes)| (function, bytes / total)).collect()
}

#[expect(clippy::print_stdout, reason = "the figures of a run are what the report quotes")]
fn compare(version: &str, ours: &Shares, theirs: &Shares) -> Result<()> {
    let of = |shares: &Shares, function: &str| shares.get(function).copied().unwrap_or(0.0);
    let sites: BTreeSet<_> = top(ours).into_iter().chain(top(theirs)).collect();
    let farthest = sites.iter().map(|site| (of(ours, site) - of(theirs, site)).abs()).fold(0.0, f64::max);
    println!("{version}: {} sites, at most {:.1} points apart", sites.len(), farthest * 100.0);
    ensure!(sites.len() >= 5, "too few sites: ours {ours:#?}, V8's {theirs:#?}");
    ensure!(farthest <= POINTS, "Node {version}: ours {ours:#?}, V8's {theirs:#?}");
    Ok(())
}

fn top(shares: &Shares) -> Vec<&str> {
    let mut sites: Vec<_> = shares.iter().filter(|(_, share)| **share >= SMALL).collect();
    sites.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    sites.into_iter().take(SITES).map(|(function, _)| function.as_str()).collect()
}

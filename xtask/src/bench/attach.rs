//! From start to live: how long until a collection is reported, beside bpftrace with the same probes.

use std::path::Path;

use anyhow::Result;

use super::node::Node;
use super::page::{Bar, Section};
use super::stats::median;
use super::tool::{BARE, Tool};
use super::{Bench, fresh_directory, peer};

/// Milliseconds between the collections of the target.
const EVERY_MS: &str = "1";
/// How many times faster than bpftrace it is to be without a plan at hand, with the defaults.
const COLD: Bar = Bar::AtLeast(10.0);
/// And with one.
const WARM: Bar = Bar::AtLeast(20.0);

/// What is attached, beside what a first collection needs.
const DEFAULTS: &[&str] = &[];

/// Milliseconds from the start of a process.
struct Times {
    until_live: Vec<f64>,
    until_reported: Vec<f64>,
}

/// The section.
pub(super) fn section(bench: &Bench) -> Result<Section> {
    let target = Node::start("storm", &[EVERY_MS])?;
    let [mut peer, mut cold, mut warm, mut bare] = [const { Times::new() }; 4];
    // The first round reads files that nobody has read yet.
    for round in 0..=bench.rounds {
        let took = peer::first_collection(target.pid())?;
        let cold_once = attach(&target, &fresh_directory("no-plan")?, DEFAULTS)?;
        let warm_once = attach(&target, &bench.cache, DEFAULTS)?;
        let bare_once = attach(&target, &bench.cache, &BARE)?;
        if round > 0 {
            peer.until_reported.push(took.as_secs_f64() * 1000.0);
            cold.add(cold_once);
            warm.add(warm_once);
            bare.add(bare_once);
        }
    }
    let tool = Tool::attach(&[target.pid()], &bench.cache)?;
    let features = tool.features()?;
    tool.detach()?;
    Ok(written(&features, &peer, [&cold, &warm, &bare]))
}

impl Times {
    const fn new() -> Self {
        Self { until_live: Vec::new(), until_reported: Vec::new() }
    }

    fn add(&mut self, (until_live, until_reported): (f64, f64)) {
        self.until_live.push(until_live);
        self.until_reported.push(until_reported);
    }
}

fn attach(target: &Node, cache: &Path, arguments: &[&str]) -> Result<(f64, f64)> {
    let mut tool = Tool::attach_with(&[target.pid()], cache, arguments)?;
    let until_reported = tool.first_collection()?;
    let until_live = tool.until_live;
    tool.detach()?;
    Ok((until_live.as_secs_f64() * 1000.0, until_reported.as_secs_f64() * 1000.0))
}

fn written(features: &str, peer: &Times, [cold, warm, bare]: [&Times; 3]) -> Section {
    let mut section = Section::new("attach", "Attaching").says(&format!(
        "From the start of the program until it reports a collection of a process that collects every millisecond or \
         two. bpftrace attaches the six probes that tell kind, pause and sizes. We attach all of ours (with the defaults; on \
         are {features}), and in this time also look at the process, its binary and the host. In turn; medians.",
    ));
    let theirs = median(peer.until_reported.iter().copied());
    let row = |what: &str, times: &Times, bar: Option<Bar>| {
        let reported = median(times.until_reported.iter().copied());
        let faster = theirs / reported;
        [
            what.to_owned(),
            format!("{:.0} ms", median(times.until_live.iter().copied())),
            format!("{reported:.0} ms"),
            format!("{faster:.1}"),
            bar.map(|bar| bar.judge(faster)).unwrap_or_default(),
        ]
    };
    let bpftrace = ["bpftrace", "", &format!("{theirs:.0} ms"), "1", ""].map(str::to_owned);
    let rows = [
        bpftrace,
        row("memwatch-bpf, no plan cached", cold, Some(COLD)),
        row("memwatch-bpf, plan cached", warm, Some(WARM)),
        row(&format!("the same, `{}`", BARE.join(" ")), bare, None),
    ];
    section.table(["", "last probe live", "first collection reported", "times faster", "bar"], rows);
    section
}

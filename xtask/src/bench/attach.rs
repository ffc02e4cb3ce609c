//! From start to live: how long until a collection is reported, beside bpftrace with the same probes.

use std::path::Path;

use anyhow::Result;

use super::node::Node;
use super::page::{Bar, Section};
use super::stats::median;
use super::tool::Tool;
use super::{Bench, fresh_directory, peer};

/// Milliseconds between the collections of the target.
const EVERY_MS: &str = "1";
/// How many times faster than bpftrace it is to be without a plan at hand.
const COLD: Bar = Bar::AtLeast(5.0);
/// And with one.
const WARM: Bar = Bar::AtLeast(20.0);

/// Milliseconds from the start of a process.
#[derive(Default)]
struct Times {
    until_live: Vec<f64>,
    until_reported: Vec<f64>,
}

/// The section.
pub(super) fn section(bench: &Bench) -> Result<Section> {
    let target = Node::start("storm", &[EVERY_MS])?;
    let [mut peer, mut cold, mut warm] = [Times::default(), Times::default(), Times::default()];
    // The first round reads files that nobody has read yet.
    for round in 0..=bench.rounds {
        let took = peer::first_collection(target.pid())?;
        let (cold_once, warm_once) =
            (attach(&target, &fresh_directory("no-plan")?)?, attach(&target, &bench.cache)?);
        if round > 0 {
            peer.until_reported.push(took.as_secs_f64() * 1000.0);
            cold.add(cold_once);
            warm.add(warm_once);
        }
    }
    Ok(written(&peer, &cold, &warm))
}

impl Times {
    fn add(&mut self, (until_live, until_reported): (f64, f64)) {
        self.until_live.push(until_live);
        self.until_reported.push(until_reported);
    }
}

fn attach(target: &Node, cache: &Path) -> Result<(f64, f64)> {
    let mut tool = Tool::attach(&[target.pid()], cache)?;
    let until_reported = tool.first_collection()?;
    let until_live = tool.until_live;
    tool.detach()?;
    Ok((until_live.as_secs_f64() * 1000.0, until_reported.as_secs_f64() * 1000.0))
}

fn written(peer: &Times, cold: &Times, warm: &Times) -> Section {
    let mut section = Section::new("attach", "Attaching").says(
        "From the start of the program until it reports a collection of a process that collects every millisecond or \
         two. bpftrace attaches the six probes that tell kind, pause and sizes. We attach all of ours, and in this time \
         also look at the process, its binary and the host. In turn; medians.",
    );
    let theirs = median(peer.until_reported.iter().copied());
    let row = |what: &str, times: &Times, bar: Bar| {
        let reported = median(times.until_reported.iter().copied());
        let faster = theirs / reported;
        [
            what.to_owned(),
            format!("{:.0} ms", median(times.until_live.iter().copied())),
            format!("{reported:.0} ms"),
            format!("{faster:.1}"),
            bar.judge(faster),
        ]
    };
    let bpftrace = ["bpftrace", "", &format!("{theirs:.0} ms"), "1", ""].map(str::to_owned);
    let rows = [
        bpftrace,
        row("memwatch-bpf, no plan cached", cold, COLD),
        row("memwatch-bpf, plan cached", warm, WARM),
    ];
    section.table(["", "last probe live", "first collection reported", "times faster", "bar"], rows);
    section
}

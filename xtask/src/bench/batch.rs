//! What watching costs a program that makes garbage as fast as it can.

use anyhow::Result;

use super::Bench;
use super::node::Node;
use super::page::{Bar, COMPARED, Section, compared};
use super::pairs::Pairs;
use super::stats::median;
use super::tool::Tool;
use super::traffic::Traffic;

/// CPU time: at most this times as much when attached.
const BAR: f64 = 1.01;
/// Megabytes of young objects before they are collected; V8's own choice, 16, makes collections rarer and no cheaper to
/// watch.
const YOUNG: &str = "--max-semi-space-size=1";
/// Portions of work a measurement.
const PORTIONS: usize = 2;

/// The section.
pub(super) fn section(bench: &Bench) -> Result<Section> {
    let mut node = Node::start_with(&[YOUNG], "batch", &[])?;
    let pid = node.pid();
    work(&mut node)?;
    let (traffic, _) = Traffic::of(bench, pid, &[], || work(&mut node))?;
    let pairs = Pairs::measure(bench.rounds, |attached| {
        let tool = attached.then(|| Tool::attach(&[pid], &bench.cache)).transpose()?;
        let cpu_s = work(&mut node)?;
        tool.map(Tool::detach).transpose()?;
        Ok(cpu_s)
    })?;
    Ok(written(&pairs, traffic))
}

fn written(pairs: &Pairs<f64>, traffic: Traffic) -> Section {
    let mut section = Section::new("batch", "Batch program full of garbage").says(&format!(
        "CPU time, of all threads, of a fixed amount of work on objects that die young, live for a while and are replaced, \
         under `{YOUNG}`, which makes collections frequent; in turn as above. The bound: {}.",
        traffic.text()
    ));
    let bound = 1.0 + traffic.total_cost() / median(pairs.bare().copied());
    let bound =
        ["its bound", "", "", &format!("{bound:.5}"), "", &Bar::AtMost(BAR).judge(bound)].map(str::to_owned);
    section.table(COMPARED, [compared("CPU time, ms", pairs, |cpu_s| *cpu_s, 1e3, Bar::AtMost(BAR)), bound]);
    section
}

/// CPU time of some work, seconds.
fn work(node: &mut Node) -> Result<f64> {
    let mut micros = 0.0;
    for _ in 0..PORTIONS {
        micros += node.ask("work")?;
    }
    Ok(micros * 1e-6)
}

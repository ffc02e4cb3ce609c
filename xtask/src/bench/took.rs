//! How long our programs take at a hit by their own clock: means and percentiles, where the kernel's statistics have sums.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::child::Talker;
use super::node::Node;
use super::page::Section;
use crate::cargo::cargo;
use crate::repo;

/// Functions on the stack.
const DEPTHS: [u32; 2] = [8, 32];
/// Hits a measurement; of arrays that are each large enough to be a sample of its own.
const HITS: u32 = 10_000;
/// The program that asks ours how long they take, what it says once they are live, and how its answers begin.
const TIMES: &str = "hit_times";
const LIVE: &str = "live";
const TOOK: &str = "took";

/// Hits of a sort, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Took {
    count: f64,
    mean: f64,
    median: f64,
    p99: f64,
}

/// What programs did, in the order in which the program tells it.
#[derive(Clone, Copy)]
enum Did {
    Nothing,
    Count,
    Sample,
    Start,
}

/// Adds the table.
pub(super) fn table(section: &mut Section) -> Result<()> {
    cargo().args(["build", "--release", "--package", "memwatch-user", "--example", TIMES]).run()?;
    let mut node = Node::start("stacks", &[])?;
    let mut command = Command::new(repo::root().join("target/release/examples").join(TIMES));
    let mut times = Talker::start(command.arg(node.pid().to_string()))?;
    times.wait_for(LIVE)?;
    let mut rows = Vec::new();
    let mut row = |what: String, line: &str, did: Did| -> Result<()> {
        node.ask(line)?;
        let took = asked(&mut times)?[did as usize];
        ensure!(took.count > 1_000.0, "{what}: only {} hits", took.count);
        let us = |ns: f64| format!("{:.2} µs", ns * 1e-3);
        rows.push([what, us(took.mean), us(took.median), us(took.p99)]);
        Ok(())
    };
    row("nothing: an empty program".to_owned(), &format!("gc 1 {HITS}"), Did::Nothing)?;
    row("a hit that samples nothing".to_owned(), "work", Did::Count)?;
    for depth in DEPTHS {
        row(format!("a sample, {depth} functions deep"), &format!("{depth} {HITS}"), Did::Sample)?;
    }
    for depth in DEPTHS {
        let what = format!("the start of a collection, {depth} functions deep");
        row(what, &format!("gc {depth} {HITS}"), Did::Start)?;
    }
    times.end()?;
    section.table(["our program at", "mean", "median", "99th percentile"], rows);
    Ok(())
}

/// What our programs did since they were asked last.
fn asked(times: &mut Talker) -> Result<Vec<Took>> {
    times.tell("")?;
    let answer = times.wait_for(TOOK)?.text;
    parse(answer.trim_start_matches(TOOK)).with_context(|| format!("{TIMES}: {answer}"))
}

fn parse(answer: &str) -> Result<Vec<Took>> {
    let figures: Vec<f64> = answer.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let took = |figures: &[f64]| match *figures {
        [count, mean, median, p99] => Ok(Took { count, mean, median, p99 }),
        _ => bail!("not four figures of each sort"),
    };
    let took = figures.chunks(4).map(took).collect::<Result<Vec<_>>>()?;
    ensure!(took.len() == Did::Start as usize + 1, "not all sorts");
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_four_figures_of_each_sort() {
        let took = parse(" 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0").unwrap();
        assert_eq!(took[Did::Sample as usize], Took { count: 5.0, mean: 6.0, median: 7.0, p99: 8.0 });
        for wrong in ["", "1 2 3", "1 2 3 4", "a b c d"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

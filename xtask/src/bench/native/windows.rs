//! What windows on the allocator cost a server: its requests while one is open, against those just before and after.
//! Whatever else the machine does falls on both.

use std::fs::{self, File};
use std::ops::Range;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::super::node::Node;
use super::super::page::{Bar, Section, interval};
use super::super::requests::{self, Answered};
use super::super::stats::{Estimate, mean_ratio};
use super::super::tool::{GOVERNOR, Tool};
use super::super::{Bench, fresh_directory};

/// Requests that are left, of those that there would be without windows.
const THROUGHPUT: Bar = Bar::AtLeast(0.98);
/// 99th percentile of all requests, in times of that of those that no window met.
const LATENCY: Bar = Bar::AtMost(1.05);
/// What the debug line about a window has in it, and what stands before its two times.
const WINDOW: &str = "a window on the allocator";
/// How long the server is under load in each round.
const TIME: Duration = Duration::from_secs(30);
const CONNECTIONS: usize = 16;
/// Breakpoints are gone, and what was caught is looked at, so long after a window was closed.
const AFTER_NS: u64 = 10_000_000;
/// So long before and after it, requests are those of a server without windows.
const BESIDE_NS: u64 = 150_000_000;

/// A server's requests, and when there were windows.
#[derive(Default)]
struct Run {
    requests: Vec<Answered>,
    windows: Vec<Range<u64>>,
}

/// Adds the table.
pub(super) fn added(section: Section, bench: &Bench, server: &Node) -> Result<Section> {
    let runs: Vec<Run> = (0..bench.rounds).map(|_| run(bench, server)).collect::<Result<_>>()?;
    let kept: Vec<f64> = runs.iter().flat_map(Run::kept).collect();
    let slower: Vec<f64> = runs.iter().map(Run::slower).collect();
    let mut section = section.says(&format!(
        "The same server, compared with itself: requests within a window of `auto` and {} ms after, against those of {} ms \
         before and after; {} windows of {} s under load from the first moment on.",
        AFTER_NS / 1_000_000,
        BESIDE_NS / 1_000_000,
        kept.len(),
        TIME.as_secs() * bench.rounds as u64
    ));
    let row = |what: &str, estimate: Estimate, bar: Bar| {
        [what.to_owned(), interval(estimate), bar.judge_estimate(estimate)]
    };
    let rows = [
        row("requests left, of those without windows", mean_ratio(&kept), THROUGHPUT),
        row("99th percentile, in times of that outside of windows", mean_ratio(&slower), LATENCY),
    ];
    section.table(["", "measured (95 %)", "bar"], rows);
    Ok(section)
}

fn run(bench: &Bench, server: &Node) -> Result<Run> {
    let log = fresh_directory("windows")?.join("log");
    let tool =
        Tool::attach_logged(&[server.pid()], &bench.cache, &["--native", "auto"], File::create(&log)?)?;
    tool.wait_for(GOVERNOR)?;
    let requests = requests::made(&server.hello, CONNECTIONS, TIME)?;
    tool.detach()?;
    let log = fs::read_to_string(&log)?;
    let windows: Vec<Range<u64>> = log.lines().filter_map(window).collect();
    ensure!(!windows.is_empty(), "no window was opened: {log}");
    let run = Run { requests, windows };
    ensure!(!run.met().is_empty(), "no window fell into the load");
    Ok(run)
}

/// `… a window on the allocator of process 7: All, from 100 to 200 ns, 9 traps`, with the time until its traces are gone.
fn window(line: &str) -> Option<Range<u64>> {
    let (_, times) = line.split_once(WINDOW)?.1.split_once(", from ")?;
    let (from, rest) = times.split_once(" to ")?;
    let until: u64 = rest.split_once(" ns")?.0.parse().ok()?;
    Some(from.parse().ok()?..until + AFTER_NS)
}

impl Run {
    fn load(&self) -> Option<Range<u64>> {
        Some(self.requests.first()?.at_ns..self.requests.last()?.at_ns)
    }

    /// Windows that fell into the load, with what is beside them.
    fn met(&self) -> Vec<&Range<u64>> {
        let Some(load) = self.load() else { return Vec::new() };
        let within = |window: &&Range<u64>| {
            window.start >= load.start + BESIDE_NS && window.end + BESIDE_NS <= load.end
        };
        self.windows.iter().filter(within).collect()
    }

    fn is_in_window(&self, at_ns: u64) -> bool {
        let after = self.windows.partition_point(|window| window.end <= at_ns);
        self.windows.get(after).is_some_and(|window| window.contains(&at_ns))
    }

    fn count(&self, span: &Range<u64>) -> f64 {
        let before = |ns: u64| self.requests.partition_point(|request| request.at_ns < ns);
        before(span.end).saturating_sub(before(span.start)) as f64
    }

    /// Of each window's part of the time: the share of requests that is left.
    fn kept(&self) -> Vec<f64> {
        let (met, load) = (self.met(), self.load().unwrap_or_default());
        let each = (load.end - load.start) as f64 / met.len() as f64;
        met.into_iter().map(|window| 1.0 - self.lost_ns(window) / each).collect()
    }

    /// How long the server would have needed without the window for the requests that it lacked in it.
    fn lost_ns(&self, window: &Range<u64>) -> f64 {
        let beside = [window.start - BESIDE_NS..window.start, window.end..window.end + BESIDE_NS];
        let clear = beside.iter().filter(|span| !self.is_touched(span));
        let (count, ns) =
            clear.fold((0.0, 0), |(count, ns), span| (count + self.count(span), ns + span.end - span.start));
        let length = (window.end - window.start) as f64;
        if count > 0.0 { length - self.count(window) * ns as f64 / count } else { 0.0 }
    }

    fn is_touched(&self, span: &Range<u64>) -> bool {
        self.windows.iter().any(|window| window.start < span.end && span.start < window.end)
    }

    /// The 99th percentile of all in times of that of those outside of windows.
    fn slower(&self) -> f64 {
        let outside = self.requests.iter().copied().filter(|request| !self.is_in_window(request.at_ns));
        percentile_99(self.requests.iter().copied()) / percentile_99(outside)
    }
}

fn percentile_99(requests: impl Iterator<Item = Answered>) -> f64 {
    let mut took: Vec<u64> = requests.map(|request| request.took_ns).collect();
    took.sort_unstable();
    took.get(took.len() * 99 / 100).map_or(f64::NAN, |ns| *ns as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request each 100 µs, but half as many, ten times as slow, in a window of 40 ms and the 10 ms after it.
    fn slowed() -> Run {
        let window = 500_000_000..550_000_000;
        let is_slow = |ns: &u64| window.contains(ns);
        let answered = |at_ns: u64| Answered { at_ns, took_ns: if is_slow(&at_ns) { 1000 } else { 100 } };
        let all = (0..10_000).map(|i| i * 100_000);
        let requests = all.filter(|ns| !is_slow(ns) || ns % 200_000 == 0).map(answered).collect();
        Run { requests, windows: vec![window.clone()] }
    }

    #[test]
    fn a_debug_line_says_when_there_was_a_window() {
        let line = "memwatch-bpf: a window on the allocator of process 7: All, from 100 to 200 ns, 9 traps";
        assert_eq!(window(line), Some(100..10_000_200));
        assert_eq!(window("memwatch-bpf: another line, from 100 to 200 ns"), None);
    }

    #[test]
    fn what_a_window_takes_is_told_from_what_there_is_beside_it() {
        let run = slowed();
        let kept = run.kept();
        // Half of the requests of 50 ms, in a second.
        assert!(kept.len() == 1 && (kept[0] - 0.975).abs() < 1e-3, "{kept:?}");
        assert!((run.slower() - 10.0).abs() < 1e-9, "{}", run.slower());
    }
}

//! What windows on the allocator cost a program: what it does while one is open, against what it does just before and
//! after. Whatever else the machine does falls on both.

use std::fs::{self, File};
use std::ops::Range;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

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
/// Blocks of the storm that are left.
const STORM: Bar = Bar::AtLeast(0.97);
/// What the debug line about a window has in it, and what stands before its two times.
const WINDOW: &str = "a window on the allocator";
/// How long a program is under load in each round.
const SECONDS: u32 = 30;
const CONNECTIONS: usize = 16;
/// Breakpoints are gone, and what was caught is looked at, so long after a window was closed.
const AFTER_NS: u64 = 10_000_000;
/// So long before and after it, a program goes as it does without windows.
const BESIDE_NS: u64 = 150_000_000;

/// How far a program came, and when there were windows.
#[derive(Default)]
struct Run {
    /// Nanoseconds of the monotonic clock, and how much was done by then.
    progress: Vec<(u64, f64)>,
    windows: Vec<Range<u64>>,
}

/// Adds the table.
pub(super) fn added(section: Section, bench: &Bench, server: &Node, storm: &mut Node) -> Result<Section> {
    let (mut kept, mut slower, mut stormed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds {
        let (requests, windows) = watched(bench, server.pid(), || {
            requests::made(&server.hello, CONNECTIONS, Duration::from_secs(SECONDS.into()))
        })?;
        slower.push(times_slower(&requests, &windows));
        let progress =
            requests.iter().zip(1_u32..).map(|(request, done)| (request.at_ns, done.into())).collect();
        kept.extend(Run { progress, windows }.kept()?);
        let (told, windows) = watched(bench, storm.pid(), || storm.ask_words(&format!("pace {SECONDS}")))?;
        stormed.extend(Run { progress: progress_in(&told)?, windows }.kept()?);
    }
    let mut section = section.says(&format!(
        "The same programs, compared with themselves: what they do within a window of `auto` and {} ms after, against {} ms \
         before and after. {} and {} windows, {} s each, under load from the first moment on.",
        AFTER_NS / 1_000_000,
        BESIDE_NS / 1_000_000,
        kept.len(),
        stormed.len(),
        u64::from(SECONDS) * bench.rounds as u64
    ));
    let row = |what: &str, values: &[f64], bar: Bar| {
        let estimate: Estimate = mean_ratio(values);
        [what.to_owned(), interval(estimate), bar.judge_estimate(estimate)]
    };
    let rows = [
        row("requests left, of those without windows", &kept, THROUGHPUT),
        row("99th percentile, in times of that outside of windows", &slower, LATENCY),
        row("blocks left, of those without windows", &stormed, STORM),
    ];
    section.table(["", "measured (95 %)", "bar"], rows);
    Ok(section)
}

/// What `load` returns, with the windows that were opened meanwhile.
fn watched<T>(bench: &Bench, pid: u32, load: impl FnOnce() -> Result<T>) -> Result<(T, Vec<Range<u64>>)> {
    let log = fresh_directory("windows")?.join("log");
    let tool = Tool::attach_logged(&[pid], &bench.cache, &["--native", "auto"], File::create(&log)?)?;
    tool.wait_for(GOVERNOR)?;
    let loaded = load()?;
    tool.detach()?;
    let log = fs::read_to_string(&log)?;
    Ok((loaded, log.lines().filter_map(window).collect()))
}

/// `… a window on the allocator of process 7: All, from 100 to 200 ns, 9 traps`, with the time until its traces are gone.
fn window(line: &str) -> Option<Range<u64>> {
    let (_, times) = line.split_once(WINDOW)?.1.split_once(", from ")?;
    let (from, rest) = times.split_once(" to ")?;
    let until: u64 = rest.split_once(" ns")?.0.parse().ok()?;
    Some(from.parse().ok()?..until + AFTER_NS)
}

/// `TIME:DONE TIME:DONE …`
fn progress_in(told: &str) -> Result<Vec<(u64, f64)>> {
    let point = |word: &str| {
        let (at, done) = word.split_once(':')?;
        Some((at.parse().ok()?, done.parse().ok()?))
    };
    told.split(' ').map(point).collect::<Option<_>>().context("it did not say when how much was done")
}

impl Run {
    /// Of each window's part of the time: the share that is left of what would be done.
    fn kept(&self) -> Result<Vec<f64>> {
        let met = self.met();
        ensure!(!met.is_empty(), "no window fell into the load");
        let each = self.load().map_or(0, |load| load.end - load.start) as f64 / met.len() as f64;
        Ok(met.into_iter().map(|window| 1.0 - self.lost_ns(window) / each).collect())
    }

    fn load(&self) -> Option<Range<u64>> {
        Some(self.progress.first()?.0..self.progress.last()?.0)
    }

    /// Windows that fell into the load, with what is beside them.
    fn met(&self) -> Vec<&Range<u64>> {
        let Some(load) = self.load() else { return Vec::new() };
        let within = |window: &&Range<u64>| {
            window.start >= load.start + BESIDE_NS && window.end + BESIDE_NS <= load.end
        };
        self.windows.iter().filter(within).collect()
    }

    /// How long the program would have needed without the window for what it lacked in it.
    fn lost_ns(&self, window: &Range<u64>) -> f64 {
        let beside = [window.start - BESIDE_NS..window.start, window.end..window.end + BESIDE_NS];
        let clear = beside.iter().filter(|span| !self.is_touched(span));
        let (done, ns) =
            clear.fold((0.0, 0), |(done, ns), span| (done + self.done(span), ns + span.end - span.start));
        let length = (window.end - window.start) as f64;
        if done > 0.0 { length - self.done(window) * ns as f64 / done } else { 0.0 }
    }

    fn is_touched(&self, span: &Range<u64>) -> bool {
        self.windows.iter().any(|window| window.start < span.end && span.start < window.end)
    }

    fn done(&self, span: &Range<u64>) -> f64 {
        self.done_by(span.end) - self.done_by(span.start)
    }

    /// What was done by then, on a line between what is known.
    fn done_by(&self, at_ns: u64) -> f64 {
        let after = self.progress.partition_point(|(at, _)| *at < at_ns);
        match (after.checked_sub(1).and_then(|before| self.progress.get(before)), self.progress.get(after)) {
            (Some((from, done)), Some((to, next))) => {
                done + (next - done) * (at_ns - from) as f64 / (to - from).max(1) as f64
            }
            (Some((_, done)), None) | (None, Some((_, done))) => *done,
            (None, None) => 0.0,
        }
    }
}

/// The 99th percentile of all requests in times of that of those outside of windows.
fn times_slower(requests: &[Answered], windows: &[Range<u64>]) -> f64 {
    let is_outside = |request: &Answered| {
        let after = windows.partition_point(|window| window.end <= request.at_ns);
        windows.get(after).is_none_or(|window| !window.contains(&request.at_ns))
    };
    let outside = requests.iter().copied().filter(is_outside);
    percentile_99(requests.iter().copied()) / percentile_99(outside)
}

fn percentile_99(requests: impl Iterator<Item = Answered>) -> f64 {
    let mut took: Vec<u64> = requests.map(|request| request.took_ns).collect();
    took.sort_unstable();
    took.get(took.len() * 99 / 100).map_or(f64::NAN, |ns| *ns as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40 ms, and the 10 ms after it.
    const SLOW: Range<u64> = 500_000_000..550_000_000;

    /// A request each 100 µs, but half as many, ten times as slow, in a window.
    fn requests() -> Vec<Answered> {
        let answered =
            |at_ns: u64| Answered { at_ns, took_ns: if SLOW.contains(&at_ns) { 1000 } else { 100 } };
        let all = (0..10_000).map(|i| i * 100_000);
        all.filter(|ns| !SLOW.contains(ns) || ns % 200_000 == 0).map(answered).collect()
    }

    #[test]
    fn a_debug_line_says_when_there_was_a_window() {
        let line = "memwatch-bpf: a window on the allocator of process 7: All, from 100 to 200 ns, 9 traps";
        assert_eq!(window(line), Some(100..10_000_200));
        assert_eq!(window("memwatch-bpf: another line, from 100 to 200 ns"), None);
    }

    #[test]
    fn what_a_window_takes_is_told_from_what_there_is_beside_it() {
        let requests = requests();
        let progress = requests.iter().zip(1_u32..).map(|(one, done)| (one.at_ns, done.into())).collect();
        let run = Run { progress, windows: vec![SLOW] };
        let kept = run.kept().unwrap();
        // Half of the requests of 50 ms, in a second.
        assert!(kept.len() == 1 && (kept[0] - 0.975).abs() < 1e-3, "{kept:?}");
        assert!((times_slower(&requests, &run.windows) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn progress_is_told_in_words() {
        let progress = progress_in("100:500 300:1500").unwrap();
        let run = Run { progress, windows: Vec::new() };
        assert!((run.done_by(200) - 1000.0).abs() < 1e-9 && (run.done_by(400) - 1500.0).abs() < 1e-9);
        assert!(progress_in("100").is_err() && run.kept().is_err());
    }
}

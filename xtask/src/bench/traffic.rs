//! How often a load hits the probes, counted by the kernel: with the cost of a hit, a bound for what watching costs
//! where the machine's noise hides it.

use std::time::Instant;

use anyhow::Result;

use super::bpf_stats::BpfStats;
use super::tool::Tool;
use super::{Bench, hit};

/// Hits under a load, and what they cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic {
    seconds: f64,
    hits: f64,
    collections: f64,
    /// Seconds a hit.
    cost: f64,
}

impl Traffic {
    /// Of `pid` while `load` runs; also what `load` returned.
    pub(super) fn of<T>(bench: &Bench, pid: u32, load: impl FnOnce() -> Result<T>) -> Result<(Self, T)> {
        let cost = hit::cost(bench)?.watched * 1e-9;
        let mut tool = Tool::attach(&[pid], &bench.cache)?;
        let (stats, since) = (BpfStats::on(tool.pid())?, Instant::now());
        let loaded = load()?;
        let (seconds, hits) = (since.elapsed().as_secs_f64(), stats.runs()?.count as f64);
        let collections = tool.collections() as f64;
        tool.detach()?;
        Ok((Self { seconds, hits, collections, cost }, loaded))
    }

    /// Seconds that all hits cost.
    pub(super) fn total_cost(self) -> f64 {
        self.hits * self.cost
    }

    /// Of each second, how much the hits cost.
    pub(super) fn share(self) -> f64 {
        self.total_cost() / self.seconds
    }

    /// How much longer something that takes so many seconds takes if as many collections as usual, and one more, fall
    /// into it.
    pub(super) fn delay(self, seconds: f64) -> f64 {
        self.share() * seconds + self.total_cost() / self.collections.max(1.0)
    }

    /// The figures behind it.
    pub(super) fn text(self) -> String {
        format!(
            "{:.1} collections a second, {:.1} hits each, {:.2} µs a hit",
            self.collections / self.seconds,
            self.hits / self.collections.max(1.0),
            self.cost * 1e6
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_counts_all_hits() {
        let traffic = Traffic { seconds: 2.0, hits: 1000.0, collections: 100.0, cost: 1e-6 };
        assert!((traffic.share() - 5e-4).abs() < 1e-12);
        // Ten hits of the collection that may fall into any time, and half a hit of the usual ones.
        assert!((traffic.delay(0.001) - 10.5e-6).abs() < 1e-12);
        assert_eq!(traffic.text(), "50.0 collections a second, 10.0 hits each, 1.00 µs a hit");
    }
}

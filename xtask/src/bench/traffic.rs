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
    /// Seconds a hit, without what our programs do there.
    trap: f64,
    /// Seconds of our programs.
    programs: f64,
}

impl Traffic {
    /// Of `pid` while `load` runs; also what `load` returned.
    pub(super) fn of<T>(
        bench: &Bench,
        pid: u32,
        arguments: &[&str],
        load: impl FnOnce() -> Result<T>,
    ) -> Result<(Self, T)> {
        let cost = hit::cost(bench)?;
        let mut tool = Tool::attach_with(&[pid], &bench.cache, arguments)?;
        let (stats, since) = (BpfStats::on(tool.pid())?, Instant::now());
        let before = stats.runs()?;
        let loaded = load()?;
        let (seconds, runs) = (since.elapsed().as_secs_f64(), stats.runs()?);
        let collections = tool.collections() as f64;
        tool.detach()?;
        let hits = (runs.count - before.count) as f64;
        let programs = (runs.time_ns - before.time_ns) as f64 * 1e-9;
        Ok((
            Self { seconds, hits, collections, trap: (cost.watched - cost.program) * 1e-9, programs },
            loaded,
        ))
    }

    /// Seconds that all hits cost.
    pub(super) fn total_cost(self) -> f64 {
        self.hits * self.trap + self.programs
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
            "{:.1} collections and {:.0} hits a second, {:.2} µs a hit, of which {:.2} in our programs",
            self.collections / self.seconds,
            self.hits / self.seconds,
            self.total_cost() / self.hits.max(1.0) * 1e6,
            self.programs / self.hits.max(1.0) * 1e6,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_counts_all_hits() {
        let traffic =
            Traffic { seconds: 2.0, hits: 1000.0, collections: 100.0, trap: 0.8e-6, programs: 0.2e-3 };
        assert!((traffic.share() - 5e-4).abs() < 1e-12);
        // Ten hits of the collection that may fall into any time, and half a hit of the usual ones.
        assert!((traffic.delay(0.001) - 10.5e-6).abs() < 1e-12);
        assert_eq!(
            traffic.text(),
            "50.0 collections and 500 hits a second, 1.00 µs a hit, of which 0.20 in our programs"
        );
    }
}

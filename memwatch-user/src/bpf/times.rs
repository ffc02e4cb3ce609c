//! How long the kernel side's programs took, where [`Kernel::load_timed`] loaded them.

use aya::maps::{MapData, PerCpuArray};
use memwatch_common::{
    names::map,
    times::{Did, STEP_NS, STEPS, counter},
};

use super::{
    error::{LoadError, in_map, typed},
    load::Kernel,
};

/// The histograms.
pub struct HitTimes(PerCpuArray<MapData, u64>);

/// What a histogram says, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// Hits.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Their median.
    pub p50: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
}

impl HitTimes {
    /// Takes them from a loaded object; once.
    pub fn open(kernel: &mut Kernel) -> Result<Self, LoadError> {
        typed(&mut kernel.programs.ebpf, map::HIT_TIMES).map(Self)
    }

    /// Hits by how long they took, in steps of [`STEP_NS`], since the object was loaded.
    pub fn read(&self, did: Did) -> Result<Vec<u64>, LoadError> {
        let first = counter(did, 0);
        let of_cpus = |index| self.0.get(&index, 0).map_err(in_map(map::HIT_TIMES));
        (first..first + STEPS).map(|index| Ok(of_cpus(index)?.iter().sum())).collect()
    }
}

impl Times {
    /// Of so many hits by step.
    #[must_use]
    pub fn of(steps: &[u64]) -> Self {
        let middle = |step: usize| (step as f64 + 0.5) * f64::from(STEP_NS);
        let count: u64 = steps.iter().sum();
        let sum: f64 = steps.iter().enumerate().map(|(step, hits)| middle(step) * *hits as f64).sum();
        let quantile = |share: f64| {
            let mut below = 0;
            let reaches = |hits: &u64| {
                below += hits;
                below as f64 >= share * count as f64
            };
            steps.iter().position(reaches).map_or(0.0, middle)
        };
        Self { count, mean: sum / count.max(1) as f64, p50: quantile(0.5), p99: quantile(0.99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_percentiles_of_a_histogram() {
        let mut steps = vec![0; 100];
        (steps[10], steps[20], steps[90]) = (900, 90, 10);
        let times = Times::of(&steps);
        assert_eq!((times.count, times.p50, times.p99), (1000, 10.5 * 32.0, 20.5 * 32.0));
        assert!((times.mean - 32.0 * (0.9 * 10.5 + 0.09 * 20.5 + 0.01 * 90.5)).abs() < 1e-9);
        assert_eq!(Times::of(&[]).count, 0);
    }
}

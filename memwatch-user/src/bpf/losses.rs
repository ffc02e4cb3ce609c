//! The kernel side's counters of losses, by process and reason.

use std::collections::BTreeMap;

use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray, PerCpuHashMap},
};
use memwatch_common::{
    loss::{LossKey, LossReason, MAX_LOSSES},
    names::map,
};

use super::error::{LoadError, in_map, typed};

/// So many losses of each reason.
pub(crate) type Counts = BTreeMap<LossReason, u64>;

/// Losses since the object was loaded; only those that occurred.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    own: BTreeMap<u32, Counts>,
    shared: Counts,
}

impl Losses {
    /// Those of the process `pid`, with those that may be anybody's.
    #[must_use]
    pub fn of(&self, pid: u32) -> Counts {
        let mut counts = self.shared.clone();
        add(&mut counts, self.own.get(&pid).into_iter().flatten().map(|(reason, count)| (*reason, *count)));
        counts
    }

    /// How many of one reason there were of `pid` alone, and of anybody.
    #[must_use]
    pub fn count_of(&self, pid: u32, reason: LossReason) -> u64 {
        let own = self.own.get(&pid).and_then(|counts| counts.get(&reason));
        own.into_iter().chain(self.shared.get(&reason)).sum()
    }

    /// Adds others to them.
    pub fn add(&mut self, others: &Self) {
        add(&mut self.shared, others.shared.iter().map(|(reason, count)| (*reason, *count)));
        for (pid, counts) in &others.own {
            for (reason, count) in counts {
                self.count(*pid, *reason, *count);
            }
        }
    }

    /// Counts losses that may be anybody's.
    pub fn count_shared(&mut self, reason: LossReason, count: u64) {
        add(&mut self.shared, [(reason, count)]);
    }

    /// Counts losses of one process.
    pub fn count(&mut self, pid: u32, reason: LossReason, count: u64) {
        add(self.own.entry(pid).or_default(), [(reason, count)]);
    }

    /// Forgets those of a process.
    pub fn forget(&mut self, pid: u32) {
        self.own.remove(&pid);
    }
}

/// Adds `counts` to those that are there; none is no loss.
pub(crate) fn add(to: &mut Counts, counts: impl IntoIterator<Item = (LossReason, u64)>) {
    for (reason, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        *to.entry(reason).or_default() += count;
    }
}

/// The maps that they are counted in.
pub(super) struct LossMaps {
    own: PerCpuHashMap<MapData, LossKey, u64>,
    shared: PerCpuArray<MapData, u64>,
}

impl LossMaps {
    /// Takes them from a loaded object; once.
    pub(super) fn of(ebpf: &mut Ebpf) -> Result<Self, LoadError> {
        Ok(Self { own: typed(ebpf, map::LOSSES)?, shared: typed(ebpf, map::SHARED_LOSSES)? })
    }

    /// What they say.
    pub(super) fn read(&self) -> Result<Losses, LoadError> {
        let mut losses = Losses::default();
        for reason in LossReason::ALL {
            let per_cpu = self.shared.get(&(reason as u32), 0).map_err(in_map(map::SHARED_LOSSES))?;
            losses.count_shared(reason, per_cpu.iter().sum());
        }
        // Keys come in no order, and new ones come meanwhile: more than there are room for is the same ones again.
        for entry in self.own.iter().take(MAX_LOSSES as usize) {
            let (key, per_cpu) = entry.map_err(in_map(map::LOSSES))?;
            if let Some(reason) = LossReason::of(key.reason) {
                losses.own.entry(key.tgid).or_default().insert(reason, per_cpu.iter().sum());
            }
        }
        Ok(losses)
    }

    /// Forgets a process that is gone: another one with its pid has lost nothing.
    pub(super) fn forget(&mut self, pid: u32) {
        for reason in LossReason::ALL {
            let _none = self.own.remove(&LossKey { tgid: pid, reason: reason as u32 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_lost_is_not_held_against_another() {
        let mut losses = Losses::default();
        losses.count(1, LossReason::RingFull, 5);
        losses.count(2, LossReason::RingFull, 0);
        losses.count_shared(LossReason::TargetsFull, 2);
        let shared = (LossReason::TargetsFull, 2);
        assert_eq!(losses.of(1), Counts::from([(LossReason::RingFull, 5), shared]));
        assert_eq!(losses.of(2), Counts::from([shared]));
        losses.forget(1);
        assert_eq!(losses.of(1), losses.of(2));
    }
}

//! How much is left of what a process can use up, and how long it lasts.

use crate::{
    detect::{Exhaustion, Kind, Level, Resource, Unit, exhaustion::until, kinds::Claim},
    model::Reading,
};

/// What is left at the last reading; `None` where it is not known, or there is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Left {
    /// Bytes.
    cgroup: Option<f64>,
    /// Bytes.
    host: Option<f64>,
    descriptors: Option<f64>,
}

impl Left {
    pub(super) fn of(reading: &Reading) -> Self {
        let limits = reading.limits;
        let less = |limit: Option<u64>, used: Option<u64>| Some(limit?.saturating_sub(used?) as f64);
        Self {
            cgroup: less(limits.cgroup_max, limits.cgroup_current),
            host: limits.host_available.map(|bytes| bytes as f64),
            descriptors: less(limits.descriptors, reading.descriptors.map(|open| open.total)),
        }
    }

    /// The least that is left of what is counted in `unit`.
    pub(super) fn least(&self, unit: Unit) -> Option<f64> {
        match unit {
            Unit::Bytes => self.cgroup.into_iter().chain(self.host).reduce(f64::min),
            Unit::Count => self.descriptors,
        }
    }

    /// Adds to `claim`, if it grows, what it uses up first. Memory of all kinds uses up what it is in at the rate of all
    /// anonymous memory, `all_memory` (bytes an hour) where that is known to rise.
    pub(super) fn forecast(&self, claim: &mut Claim, all_memory: Option<[f64; 2]>) {
        let (kind, finding) = (claim.verdict.kind, &mut claim.verdict.finding);
        if finding.level < Level::Growing {
            return;
        }
        let memory = all_memory.unwrap_or(claim.narrow);
        let left = |of, left: Option<f64>, rate| left.and_then(|left| until(of, [left; 2], rate));
        let ends: [Option<Exhaustion>; 3] = match kind {
            Kind::Fds => [left(Resource::FdLimit, self.descriptors, claim.narrow), None, None],
            Kind::Isolates | Kind::Fragmentation | Kind::Load if finding.unit == Unit::Count => [None; 3],
            _ => [
                finding.exhaustion,
                left(Resource::Cgroup, self.cgroup, memory),
                left(Resource::Host, self.host, memory),
            ],
        };
        let first = ends.into_iter().flatten().reduce(Exhaustion::earlier);
        finding.exhaustion = first.and_then(Exhaustion::within_a_week);
    }
}

//! A Node process whose leak is known, as its collections: a [`program`] under V8's [`policy`], on a clock that jumps
//! from one event to the next, so that a day takes milliseconds.
//!
//! Scavenges come as one a mark-compact, with all that was allocated since: what judges heaps by more
//! than a few mark-compacts looks no closer.

pub mod check;
pub mod policy;
pub mod program;
pub mod reducer;
pub mod rng;

pub use program::{Load, Part, Program};
pub use rng::Rng;

use memwatch_user::model::{Collection, GcKind, Mono};
use policy::{GC_SPEED, Policy};
use reducer::{Reducer, STARTS_AFTER_S};

use crate::{MIB, trace::gc};

/// No step is longer: load and live set are taken to be constant within one.
const LONGEST_STEP_S: f64 = 30.0;
/// Nor shorter, so that time goes on.
const SHORTEST_STEP_S: f64 = 0.02;
/// Incremental marking takes at least this long between its start and the mark-compact that ends it.
const MARKING_S: f64 = 0.1;
/// Where between these shares of its limit a process dies is drawn: three that were run to their end died at 0.80, 0.82
/// and 0.83, by `Heap::CheckIneffectiveMarkCompact`, and nobody gets beyond the limit.
const DIES_AT: (f64, f64) = (0.8, 1.0);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End {
    /// Seconds after the attach.
    pub at_s: f64,
    /// Whether it ran out of heap.
    pub died: bool,
    /// Bytes that were live.
    pub live: f64,
}

/// One process being simulated.
struct Process<'a> {
    program: &'a Program,
    policy: Policy,
    reducer: Reducer,
    rng: Rng,
    /// Wall clock since the attach, seconds.
    t: f64,
    /// The program's own clock: it stands still in pauses.
    own: f64,
    /// Load times time, seconds of full load.
    work: f64,
    /// Promoted garbage since the last mark-compact, bytes.
    garbage: f64,
    allocated: f64,
    after: f64,
    last_mark_compact: f64,
    /// Bytes live at which it dies.
    dies_at: f64,
}

/// Runs `program` for `watch_s` seconds from the age of `age_s`, with a heap limit of `limit` bytes; hands over each
/// collection, its times counted from the attach.
pub fn run(
    program: &Program,
    limit: f64,
    age_s: f64,
    watch_s: f64,
    seed: u64,
    mut see: impl FnMut(&Collection),
) -> End {
    let mut process = Process::new(program, limit, age_s, seed);
    while process.t < watch_s {
        process.step();
        if let Some(collections) = process.collect() {
            collections.iter().for_each(&mut see);
            if process.live() >= process.dies_at {
                return process.end(true);
            }
        }
    }
    process.end(false)
}

impl<'a> Process<'a> {
    fn new(program: &'a Program, limit: f64, age_s: f64, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let live = program.live(age_s, age_s);
        let dies_at = rng.between(DIES_AT.0, DIES_AT.1) * limit;
        let mut policy = Policy::new(limit);
        policy.grow(live, program.promotion());
        let first = if age_s < STARTS_AFTER_S { STARTS_AFTER_S - age_s } else { f64::INFINITY };
        // An old process is somewhere between two mark-compacts.
        let garbage =
            if age_s < STARTS_AFTER_S { 0.0 } else { rng.uniform() * (policy.threshold - live).max(0.0) };
        Self {
            program,
            policy,
            reducer: Reducer::new(first, live),
            rng,
            t: 0.0,
            own: age_s,
            work: age_s,
            garbage,
            allocated: 0.0,
            after: live + garbage,
            last_mark_compact: 0.0,
            dies_at,
        }
    }

    fn live(&self) -> f64 {
        self.program.live(self.own, self.work)
    }

    fn step(&mut self) {
        let load = self.program.load.at(self.own);
        let promoted = self.program.promotion() * load;
        let missing = self.policy.threshold - self.live() - self.garbage;
        let until_due = (self.reducer.due() - self.t).max(SHORTEST_STEP_S);
        let step = (missing / promoted).min(until_due).clamp(SHORTEST_STEP_S, LONGEST_STEP_S);
        self.t += step;
        self.own += step;
        self.work += load * step;
        self.garbage += promoted * step;
        self.allocated += self.program.allocation * load * step;
    }

    /// A mark-compact, if one is due, behind the scavenges since the last one.
    fn collect(&mut self) -> Option<[Collection; 2]> {
        let load = self.program.load.at(self.own);
        let by_reducer = self.reducer.is_due(self.t, self.program.allocation * load);
        if !by_reducer && self.live() + self.garbage < self.policy.threshold {
            return None;
        }
        let live = self.live();
        let marking = MARKING_S + live / GC_SPEED * 0.5;
        self.t += marking;
        self.own += marking;
        self.work += load * marking;
        let young = self.rng.uniform() * self.program.semi_space;
        let held = live + self.program.noise * self.rng.normal();
        let before = live.max(held) + self.garbage + self.program.promotion() * load * marking + young;
        let after = held.max(MIB).min(before);
        let pause = 0.001 + live / GC_SPEED * 0.1;
        self.t += pause;
        let scavenge = gc(
            mono(self.t - pause),
            1000,
            GcKind::Scavenge,
            whole(self.after + self.allocated),
            whole(before),
        );
        let full = gc(mono(self.t), whole(pause * 1e6), GcKind::MarkCompact, whole(before), whole(after));
        self.settle(after, by_reducer);
        Some([scavenge, full])
    }

    fn settle(&mut self, after: f64, by_reducer: bool) {
        let since = (self.t - self.last_mark_compact).max(1e-3);
        let came = self.garbage + (after - self.after).max(0.0);
        self.policy.grow(after, came / since);
        self.reducer.mark_compact(self.t, after, by_reducer);
        (self.garbage, self.allocated, self.after, self.last_mark_compact) = (0.0, 0.0, after, self.t);
    }

    fn end(&self, died: bool) -> End {
        End { at_s: self.t, died, live: self.live() }
    }
}

fn mono(seconds: f64) -> Mono {
    Mono(whole(seconds * 1e9))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times and sizes: positive, below 2^63"
)]
fn whole(x: f64) -> u64 {
    x as u64
}

//! Which programs are judged: families of leaks and of look-alikes, drawn from seeds, split by family into those that
//! thresholds may be tuned on and those that figures are reported for.

mod healthy;
mod leaking;

use crate::{
    MIB,
    sim::{Load, Part, Program, Rng},
    trace::Truth,
};

/// What a family is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Weaknesses are looked for here.
    Tune,
    /// Figures come from here.
    Report,
    /// Look-alikes that nothing can tell from a leak while they last: shown, and in no total.
    Limit,
}

/// One simulated process to judge.
#[derive(Clone, Debug)]
pub struct Case {
    /// The family's name.
    pub family: &'static str,
    /// What the family is for.
    pub set: Set,
    /// What it does.
    pub program: Program,
    /// Its heap's limit, bytes.
    pub limit: f64,
    /// Its age at the attach, seconds.
    pub age_s: f64,
    /// How long it is watched, seconds, unless it dies.
    pub watch_s: f64,
    /// What is true about it.
    pub truth: Truth,
    /// Of its noise.
    pub seed: u64,
}

/// Changed when thresholds were, so that nothing that is reported was seen before.
const SALT: u64 = 4_000_000;

/// Draws one case of a family from a generator and its number in the family.
type Draw = fn(&mut Rng, usize) -> Case;

/// All cases, with a share of the seeds: 1 for the page, less for a quick look.
#[must_use]
pub fn all(share: f64) -> Vec<Case> {
    let families: Vec<(usize, Draw)> = healthy::FAMILIES.iter().chain(leaking::FAMILIES).copied().collect();
    let mut cases = Vec::new();
    for (family, (seeds, draw)) in families.into_iter().enumerate() {
        let kept = (0..seeds).filter(|seed| (*seed as f64 * share).fract() < share);
        cases.extend(kept.map(|seed| {
            let number = SALT + (family * 1000 + seed) as u64;
            let case = draw(&mut Rng::new(number.wrapping_mul(0x2545_F491_4F6C_DD1D)), seed);
            Case { seed: number, ..case }
        }));
    }
    cases
}

/// A server that keeps between 30 MB and 2 GB and promotes 20 KB to 1 MB of garbage a second: a mark-compact every ten
/// seconds to three hours.
fn server(rng: &mut Rng, load: Load) -> Case {
    let base = rng.magnitude(30.0, 2000.0) * MIB;
    let promotion = rng.magnitude(0.02, 1.0) * MIB;
    let promoted = rng.magnitude(0.01, 0.1);
    let program = Program {
        parts: vec![Part::Base(base)],
        load,
        allocation: promotion / promoted,
        promoted,
        // Requests that are open at the moment, and what idle caches come and go with.
        noise: rng.magnitude(0.05, 2.0) * MIB + base * 0.0005,
        semi_space: 16.0 * MIB,
    };
    let limit = if base > 700.0 * MIB { 4144.0 * MIB } else { 2096.0 * MIB };
    let age_s = 0.0;
    Case { family: "", set: Set::Tune, program, limit, age_s, watch_s: 0.0, truth: Truth::Healthy, seed: 0 }
}

impl Case {
    fn named(self, family: &'static str, set: Set) -> Self {
        Self { family, set, ..self }
    }

    fn keeping(mut self, part: Part) -> Self {
        self.program.parts.push(part);
        self
    }

    fn watched(self, age_s: f64, watch_s: f64) -> Self {
        Self { age_s, watch_s, ..self }
    }

    fn leaking(self, rate: f64, from_s: f64) -> Self {
        Self { truth: Truth::Leak { rate, from_s }, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DAY;

    #[test]
    fn a_thousand_process_days_of_look_alikes_are_reported() {
        let days = |set| {
            let healthy = all(1.0).into_iter().filter(move |c| c.set == set && c.truth == Truth::Healthy);
            healthy.map(|c| c.watch_s).sum::<f64>() / DAY
        };
        assert!(days(Set::Report) >= 1000.0, "{}", days(Set::Report));
        assert!(days(Set::Tune) >= 300.0, "{}", days(Set::Tune));
    }

    #[test]
    fn the_same_seed_is_the_same_case_and_no_family_is_in_two_sets() {
        let (a, b) = (all(1.0), all(0.25));
        for case in &b {
            let same = a.iter().find(|other| other.seed == case.seed).unwrap();
            assert_eq!((&same.program, same.watch_s), (&case.program, case.watch_s));
        }
        for case in &a {
            assert!(
                a.iter().all(|other| other.family != case.family || other.set == case.set),
                "{}",
                case.family
            );
        }
    }
}

//! Attached and not attached, in turn: what the machine does meanwhile falls on both alike, and the same number of
//! pairs of which neither is attached says how much of a difference is noise.

use anyhow::Result;

use super::stats::{Estimate, mean_ratio};

/// Measurements in pairs: first not attached, second the one that is compared with it.
pub(super) struct Pairs<T> {
    /// The second was attached.
    attached: Vec<(T, T)>,
    /// Neither was.
    null: Vec<(T, T)>,
}

impl<T> Pairs<T> {
    /// Measures `rounds` pairs of each sort, one of each in turn. Which of a pair comes first changes from round to
    /// round, so that what only rises or falls with time cancels out.
    pub(super) fn measure(rounds: usize, mut segment: impl FnMut(bool) -> Result<T>) -> Result<Self> {
        let mut pairs = Self { attached: Vec::new(), null: Vec::new() };
        for round in 0..rounds {
            for attached in [false, true] {
                let pair = if round % 2 == 0 {
                    (segment(false)?, segment(attached)?)
                } else {
                    let second = segment(attached)?;
                    (segment(false)?, second)
                };
                if attached { &mut pairs.attached } else { &mut pairs.null }.push(pair);
            }
        }
        Ok(pairs)
    }

    /// By what factor a quantity differs when attached.
    pub(super) fn ratio(&self, of: impl Fn(&T) -> f64) -> Estimate {
        ratio(&self.attached, of)
    }

    /// By what factor it differs when nothing is.
    pub(super) fn null_ratio(&self, of: impl Fn(&T) -> f64) -> Estimate {
        ratio(&self.null, of)
    }

    /// Those measured without.
    pub(super) fn bare(&self) -> impl Iterator<Item = &T> {
        let of_null = self.null.iter().flat_map(|(first, second)| [first, second]);
        self.attached.iter().map(|(first, _)| first).chain(of_null)
    }

    /// Those measured with.
    pub(super) fn attached(&self) -> impl Iterator<Item = &T> {
        self.attached.iter().map(|(_, second)| second)
    }
}

fn ratio<T>(pairs: &[(T, T)], of: impl Fn(&T) -> f64) -> Estimate {
    let ratios: Vec<f64> = pairs.iter().map(|(first, second)| of(second) / of(first)).collect();
    mean_ratio(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sorts_alternate_and_drift_cancels_out() {
        let (mut order, mut speed) = (Vec::new(), 1.0);
        let pairs = Pairs::measure(2, |attached| {
            order.push(attached);
            // A machine that gets faster by the same factor each time, and attached costs half.
            speed *= 1.1;
            Ok(speed * if attached { 0.5 } else { 1.0 })
        })
        .unwrap();
        assert_eq!(order, [false, false, false, true, false, false, true, false]);
        assert!((pairs.ratio(|x| *x).value - 0.5).abs() < 1e-12);
        assert!((pairs.null_ratio(|x| *x).value - 1.0).abs() < 1e-12);
        assert_eq!((pairs.bare().count(), pairs.attached().count()), (6, 2));
    }
}

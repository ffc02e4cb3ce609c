//! Medians, ratios, and how sure they are.

/// How often a sample is drawn again.
const RESAMPLES: usize = 10_000;
/// How many are left out at each end: 95 % remain.
const TAIL: usize = RESAMPLES / 40;

/// A figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// The middle of the values; 0 of none.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or(0.0);
    let lower = values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
    f64::midpoint(lower, upper)
}

/// The geometric mean of ratios with its bootstrap interval (percentiles of the means of samples drawn with
/// replacement). The seed is fixed: the same ratios give the same interval.
pub(super) fn mean_ratio(ratios: &[f64]) -> Estimate {
    let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let mut means: Vec<f64> = (0..RESAMPLES).map(|_| mean(draw(&logs, &mut seed))).collect();
    means.sort_by(f64::total_cmp);
    Estimate {
        value: mean(logs.iter().copied()).exp(),
        low: means[TAIL].exp(),
        high: means[RESAMPLES - 1 - TAIL].exp(),
    }
}

/// As many of `values` as there are, each drawn from all of them.
fn draw<'a>(values: &'a [f64], seed: &'a mut u64) -> impl Iterator<Item = f64> + 'a {
    let index = |random: u64| usize::try_from(random % values.len() as u64).unwrap_or(0);
    (0..values.len()).map(move |_| values[index(next(seed))])
}

/// Marsaglia's xorshift64.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let cases: [(&[f64], f64); 3] = [(&[3.0, 1.0, 2.0], 2.0), (&[4.0, 1.0, 2.0, 3.0], 2.5), (&[], 0.0)];
        for (values, expected) in cases {
            assert!((median(values.iter().copied()) - expected).abs() < 1e-12, "{values:?}");
        }
    }

    #[test]
    fn equal_ratios_leave_no_doubt() {
        let estimate = mean_ratio(&[0.5; 8]);
        assert!(
            [estimate.value, estimate.low, estimate.high].iter().all(|ratio| (ratio - 0.5).abs() < 1e-12)
        );
    }

    #[test]
    fn the_interval_is_that_of_the_mean() {
        // Logarithms are +-0.1 with equal shares: the mean of 100 of them has a standard error of 0.01.
        let ratios: Vec<f64> =
            (0..100).map(|i| if i % 2 == 0 { 0.1_f64.exp() } else { (-0.1_f64).exp() }).collect();
        let estimate = mean_ratio(&ratios);
        assert!((estimate.value - 1.0).abs() < 1e-9, "{estimate:?}");
        assert!((estimate.low.ln() + 0.0196).abs() < 0.003, "{estimate:?}");
        assert!((estimate.high.ln() - 0.0196).abs() < 0.003, "{estimate:?}");
    }
}

//! The few figures that a report needs: quantiles and intervals of shares and rates.

/// Standard normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.96;

/// The value that a share `q` of `values` is below; `None` without values.
#[must_use]
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index, at most `last`")]
    let at = (last as f64 * q).round() as usize;
    sorted.get(at).copied()
}

/// Wilson's 95 % interval of a share of `hits` in `all`; everything is possible of none.
#[must_use]
pub fn wilson(hits: usize, all: usize) -> [f64; 2] {
    if all == 0 {
        return [0.0, 1.0];
    }
    let (n, p) = (all as f64, hits as f64 / all as f64);
    let center = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    [((center - half) / scale).max(0.0), ((center + half) / scale).min(1.0)]
}

/// One-sided 95 % upper bound of the rate of events of which `count` were seen in `time`: with none the rule of three,
/// otherwise the exact bound in Wilson and Hilferty's approximation.
#[must_use]
pub fn upper_rate(count: usize, time: f64) -> f64 {
    if count == 0 {
        return 3.0 / time;
    }
    let k = count as f64 + 1.0;
    let z = 1.645;
    k * (1.0 - 1.0 / (9.0 * k) + z / (3.0 * k.sqrt())).powi(3) / time
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 0.005
    }

    #[test]
    fn figures_of_the_tables() {
        let [low, high] = wilson(8, 10);
        assert!(close(low, 0.490) && close(high, 0.943), "{low} {high}");
        assert_eq!(wilson(0, 0).to_vec(), [0.0, 1.0]);
        // Exact Poisson bounds: 4.744 of 1, 10.513 of 5.
        assert!(close(upper_rate(0, 300.0), 0.01) && close(upper_rate(1, 1.0) / 10.0, 0.4744));
        assert!((upper_rate(5, 1.0) - 10.513).abs() < 0.02);
        assert_eq!((quantile(&[3.0, 1.0, 2.0], 0.5), quantile(&[], 0.5)), (Some(2.0), None));
    }
}

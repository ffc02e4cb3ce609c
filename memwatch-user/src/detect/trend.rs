//! How fast a series grows, and whether it does: Theil–Sen's slope with Sen's interval, and Kendall's test.
//!
//! Both stand on pairs of points, so neither an outlier nor the irregular spacing of mark-compacts can bend them.

/// Standard normal quantile of a two-sided 95 % interval.
pub const Z_95: f64 = 1.96;
/// Standard normal quantile of a two-sided 80 % interval.
pub const Z_80: f64 = 1.2816;
/// Up to here the distribution of Kendall's S is counted out; beyond it is close to normal.
const EXACT_UP_TO: usize = 16;
/// Standard deviation of a normal distribution in units of its median absolute deviation.
const MAD_TO_SIGMA: f64 = 1.4826;
/// Neighbours that resemble each other more than this are taken to resemble each other this much.
const MAX_AUTOCORRELATION: f64 = 0.9;

/// See [`Trend::is_line`].
const LINE_TAU: f64 = 0.9;
/// See [`Trend::is_line`]: in standard deviations of the points around the line.
const LINE_RISE: f64 = 8.0;

/// A point of a series: seconds and bytes.
pub type Point = (f64, f64);

/// The trend of a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// Points.
    pub n: usize,
    /// Theil–Sen: the median of the slopes of all pairs, bytes a second.
    pub slope: f64,
    /// Kendall's S: rising pairs minus falling pairs.
    pub s: i64,
    /// Kendall's tau, −1 to 1.
    pub tau: f64,
    /// S in standard deviations, corrected for continuity and, beyond sixteen points, for autocorrelation.
    pub z: f64,
    /// Probability that a series without a trend shows this S or a larger one.
    pub p: f64,
    /// Standard deviation of the points around the line, bytes; from the median, so that jumps do not count.
    pub noise: f64,
    /// Of all pairs, ascending: 2016 of the 64 points of a full ring, freed after each verdict.
    slopes: Vec<f64>,
    variance: f64,
}

impl Trend {
    /// The trend of `points`, which are in order of time; `None` below three points or without two distinct times.
    #[must_use]
    pub fn of(points: &[Point]) -> Option<Self> {
        let n = points.len();
        let mut slopes = pair_slopes(points);
        let slope = median(&mut slopes).filter(|_| n >= 3)?;
        let residuals: Vec<f64> = points.iter().map(|(t, y)| y - slope * t).collect();
        let s = kendall_s(points);
        let variance = variance(n) * inflation(&residuals);
        let z = (s - s.signum()) as f64 / variance.sqrt();
        let p = if n <= EXACT_UP_TO { exact_p(n, s) } else { upper_tail(z) };
        let tau = s as f64 / pairs(n) as f64;
        Some(Self { n, slope, s, tau, z, p, noise: spread(residuals), slopes, variance })
    }

    /// Whether, over `span` seconds, nearly every pair rises and the wobble is nothing beside the rise. That neighbours
    /// wobble alike is no excuse then: the correction for it would call the straightest of lines chance.
    #[must_use]
    pub fn is_line(&self, span: f64) -> bool {
        self.tau >= LINE_TAU && self.slope * span > LINE_RISE * self.noise
    }

    /// Sen's interval of the slope at `z` standard deviations ([`Z_95`], [`Z_80`]), bytes a second. An end is `None`
    /// where there are too few pairs to bound it: with four points and 95 %, both.
    #[must_use]
    pub fn interval(&self, z: f64) -> [Option<f64>; 2] {
        let count = self.slopes.len();
        let outside = ((count as f64 - z * self.variance.sqrt()) / 2.0).round();
        if outside < 1.0 {
            return [None, None];
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 1 to half the count"
        )]
        let outside = outside as usize;
        [self.slopes.get(outside - 1).copied(), self.slopes.get(count - outside).copied()]
    }
}

/// The slope of [`Trend::of`] alone, bytes a second; `None` without two distinct times.
#[must_use]
pub fn slope(points: &[Point]) -> Option<f64> {
    median(&mut pair_slopes(points))
}

/// Median of `values`, which are sorted; the mean of the middle two if their number is even, `None` if it is zero.
#[must_use]
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

fn pairs(n: usize) -> usize {
    n * n.saturating_sub(1) / 2
}

fn pair_slopes(points: &[Point]) -> Vec<f64> {
    let mut slopes = Vec::with_capacity(pairs(points.len()));
    for (i, a) in points.iter().enumerate() {
        slopes.extend(points[i + 1..].iter().filter(|b| b.0 > a.0).map(|b| (b.1 - a.1) / (b.0 - a.0)));
    }
    slopes
}

fn kendall_s(points: &[Point]) -> i64 {
    let sign = |d: f64| i64::from(d > 0.0) - i64::from(d < 0.0);
    let later = |i: usize| points[i + 1..].iter().filter(move |b| b.0 > points[i].0);
    points.iter().enumerate().map(|(i, a)| later(i).map(|b| sign(b.1 - a.1)).sum::<i64>()).sum()
}

/// Variance of S over `n` points without a trend.
fn variance(n: usize) -> f64 {
    let n = n as f64;
    n * (n - 1.0) * (2.0 * n + 5.0) / 18.0
}

/// By how much neighbours that resemble each other inflate the variance of S; not told apart from chance in short
/// series.
fn inflation(residuals: &[f64]) -> f64 {
    if residuals.len() <= EXACT_UP_TO {
        return 1.0;
    }
    let mean = residuals.iter().sum::<f64>() / residuals.len() as f64;
    let power: f64 = residuals.iter().map(|r| (r - mean).powi(2)).sum();
    let lagged: f64 = residuals.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum();
    let rho = if power > 0.0 { (lagged / power).clamp(0.0, MAX_AUTOCORRELATION) } else { 0.0 };
    (1.0 + rho) / (1.0 - rho)
}

/// Probability of S or more over `n` points without a trend: the share of permutations with so few inversions. A tie
/// counts as half an inversion, rounded up: against a trend.
fn exact_p(n: usize, s: i64) -> f64 {
    let falling = (pairs(n) as f64 - s as f64) / 2.0;
    // share[k]: of the permutations of m items, the share with k inversions; the m-th item brings 0 to m - 1 of them.
    let mut share = vec![0.0; pairs(n) + 1];
    share[0] = 1.0;
    for m in 2..=n {
        for k in (0..share.len()).rev() {
            let from = k.saturating_sub(m - 1);
            share[k] = share[from..=k].iter().sum::<f64>() / m as f64;
        }
    }
    share
        .iter()
        .zip(0_u32..)
        .filter(|(_, k)| f64::from(*k) <= falling.ceil())
        .map(|(p, _)| p)
        .sum::<f64>()
        .min(1.0)
}

/// Upper tail of the standard normal distribution, within 1e-7 (Abramowitz and Stegun 26.2.17).
fn upper_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - upper_tail(-z);
    }
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let coefficients = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530];
    let polynomial = coefficients.iter().fold(0.0, |sum, c| (sum + c) * t);
    polynomial * (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt()
}

fn spread(mut residuals: Vec<f64>) -> f64 {
    let center = median(&mut residuals).unwrap_or(0.0);
    for r in &mut residuals {
        *r = (*r - center).abs();
    }
    MAD_TO_SIGMA * median(&mut residuals).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(ys: &[f64]) -> Vec<Point> {
        ys.iter().enumerate().map(|(t, &y)| (t as f64, y)).collect()
    }

    fn close(a: f64, b: f64, within: f64) -> bool {
        (a - b).abs() <= within
    }

    #[test]
    fn exact_probabilities_are_those_of_the_tables() {
        for (n, s, p) in [
            (4, 6, 0.0417),
            (5, 10, 0.0083),
            (5, 8, 0.0417),
            (6, 15, 0.0014),
            (6, 13, 0.0083),
            (7, 21, 0.0002),
            (7, 19, 0.0014),
            (7, 17, 0.0054),
            (8, 28, 2.5e-5),
            (8, 24, 8.7e-4),
            (10, 21, 0.0363),
            (5, -10, 1.0),
        ] {
            assert!(close(exact_p(n, s), p, 5e-5), "n={n} S={s}: {}", exact_p(n, s));
        }
    }

    #[test]
    fn the_normal_tail_is_right() {
        for (z, p) in [(0.0, 0.5), (1.0, 0.158_655), (1.96, 0.024_998), (3.0, 0.001_350), (-1.0, 0.841_345)] {
            assert!(close(upper_tail(z), p, 1e-6), "{z}: {}", upper_tail(z));
        }
    }

    #[test]
    fn slope_and_s_by_hand() {
        // Slopes of the pairs: 1, 3/2, 1, 2, 1, 0: median 1.
        let trend = Trend::of(&series(&[0.0, 1.0, 3.0, 3.0])).unwrap();
        assert_eq!((trend.n, trend.slope, trend.s), (4, 1.0, 5));
        assert!(close(trend.tau, 5.0 / 6.0, 1e-12));
        assert_eq!(trend.interval(Z_95), [None, None]);
        assert_eq!(slope(&series(&[0.0, 1.0, 3.0, 3.0])), Some(1.0));
    }

    #[test]
    fn the_line_survives_an_outlier_and_has_a_narrow_interval() {
        let mut ys: Vec<f64> = (0..12).map(|i| f64::from(i) * 10.0).collect();
        ys[5] = 4000.0;
        let trend = Trend::of(&series(&ys)).unwrap();
        assert_eq!((trend.slope, trend.noise), (10.0, 0.0));
        let [Some(low), Some(high)] = trend.interval(Z_95) else { panic!("bounded") };
        assert!(low <= 10.0 && (10.0..1000.0).contains(&high), "{low} {high}");
    }

    #[test]
    fn sen_interval_of_five_rising_points_is_all_of_their_slopes() {
        let trend = Trend::of(&series(&[0.0, 1.0, 3.0, 6.0, 10.0])).unwrap();
        assert_eq!(trend.interval(Z_95), [Some(1.0), Some(4.0)]);
        assert!(close(trend.z, 2.204_54, 1e-4) && close(trend.p, 0.0083, 5e-5));
    }

    #[test]
    fn units_do_not_matter() {
        let ys = [5.0, 7.0, 6.0, 9.0, 8.0, 12.0, 11.0, 15.0];
        let plain = Trend::of(&series(&ys)).unwrap();
        let moved: Vec<Point> = series(&ys).iter().map(|(t, y)| (t * 60.0 + 1e6, y * 1024.0 + 7e9)).collect();
        let moved = Trend::of(&moved).unwrap();
        assert_eq!((plain.s, plain.p, plain.z), (moved.s, moved.p, moved.z));
        assert!(close(moved.slope, plain.slope * 1024.0 / 60.0, 1e-6));
    }

    #[test]
    fn neighbours_that_resemble_each_other_are_worth_less() {
        let wave: Vec<f64> = (0..40).map(|i| f64::from(i) + 30.0 * (f64::from(i) / 6.0).sin()).collect();
        let trend = Trend::of(&series(&wave)).unwrap();
        assert!(trend.variance > 5.0 * variance(40));
    }

    #[test]
    fn too_little_is_no_trend() {
        for points in [vec![], vec![(0.0, 1.0)], vec![(0.0, 1.0), (1.0, 2.0)], vec![(3.0, 1.0); 4]] {
            assert_eq!(Trend::of(&points), None);
        }
        assert_eq!(median(&mut []), None);
    }
}

//! Does one series only follow another: does it hold so much for each unit of the other, and nothing beside?

use super::trend::{Point, Trend, slope};

/// The other must grow by this share of how much the one grows, both in units of what they were, up to
/// [`ENOUGH_GROWTH`]: a load that hardly changes explains nothing.
const MIN_SHARE: f64 = 0.5;
/// A load that grows by this share of itself is a different one.
const ENOUGH_GROWTH: f64 = 0.5;
/// What is left over must rise by less than this share of what the series rises by.
const LEFT_OVER: f64 = 0.25;
/// The same for the newer half, of which there are fewer points.
const LEFT_OVER_LATE: f64 = 0.5;
/// Correlation of the bends of two series from which on they follow each other.
const RESEMBLANCE: f64 = 0.8;
/// Fewest points that show that.
const ENOUGH_TO_RESEMBLE: usize = 16;
/// Fewest points that both have.
const MIN_POINTS: usize = 8;

/// How much a series holds for each unit of `driver` where that explains its growth: all of it but a part that does not
/// rise itself, on the whole or of late. `None` where it does not.
pub(super) fn explained(series: &[Point], driver: &[Point]) -> Option<f64> {
    let (per_unit, rest) = without_driver(series, driver)?;
    let late = rise(&series[series.len() / 2..]).max(0.0);
    let left_late = rise_of(&rest[rest.len() / 2..]);
    (is_small(&rest, series) && left_late <= LEFT_OVER_LATE * late).then_some(per_unit)
}

/// The same on the whole only: for a driver that is too coarse to tell of half of the time.
pub(super) fn roughly_explained(series: &[Point], driver: &[Point]) -> Option<f64> {
    without_driver(series, driver).filter(|(_, rest)| is_small(rest, series)).map(|(per_unit, _)| per_unit)
}

/// How much a series holds for each unit of `driver`, if anything, and what is left when that is taken off.
fn without_driver(series: &[Point], driver: &[Point]) -> Option<(f64, Vec<Point>)> {
    let pairs = aligned(series, driver);
    let per_unit = per_unit(&pairs).filter(|per_unit| pairs.len() >= MIN_POINTS && *per_unit > 0.0)?;
    let rest = pairs.iter().map(|pair| (pair.t, pair.y - per_unit * pair.driver)).collect();
    Some((per_unit, rest))
}

fn is_small(rest: &[Point], series: &[Point]) -> bool {
    let rise = rise(series);
    rise > 0.0 && rise_of(rest) < LEFT_OVER * rise
}

/// Whether `driver` grew by enough, beside what it was, to be a different load.
pub(super) fn grew_as_well(series: &[Point], driver: &[Point]) -> bool {
    let relative = |points| ends(points).map(|(old, new)| (new - old) / old.max(1.0));
    let (Some(series), Some(driver)) = (relative(series), relative(driver)) else { return false };
    driver >= (MIN_SHARE * series).min(ENOUGH_GROWTH)
}

/// Whether two series have the same shape beside the straight line that each is close to: the bends of a load, which what
/// only adds up under it does not have.
pub(super) fn resembles(series: &[Point], driver: &[Point]) -> bool {
    let pairs = aligned(series, driver);
    let (y, driver) = (bends(&pairs, |pair| pair.y), bends(&pairs, |pair| pair.driver));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let together = dot(&y, &driver) / (dot(&y, &y) * dot(&driver, &driver)).sqrt();
    pairs.len() >= ENOUGH_TO_RESEMBLE && together >= RESEMBLANCE
}

/// What is left of a series when its line of least squares is taken off.
fn bends(pairs: &[Pair], of: fn(&Pair) -> f64) -> Vec<f64> {
    let n = pairs.len() as f64;
    let mean = |of: &dyn Fn(&Pair) -> f64| pairs.iter().map(of).sum::<f64>() / n;
    let (t, y) = (mean(&|pair| pair.t), mean(&of));
    let slope = mean(&|pair| (pair.t - t) * (of(pair) - y)) / mean(&|pair| (pair.t - t).powi(2));
    pairs.iter().map(|pair| of(pair) - y - slope * (pair.t - t)).collect()
}

/// By how much the newest quarter of a series is above the oldest.
pub(super) fn growth(points: &[Point]) -> f64 {
    ends(points).map_or(0.0, |(old, new)| new - old)
}

/// The rate of a count that only rises, at each of its points but the ends: over a quarter of the span, since
/// collections, which tell what was allocated, are seconds apart.
pub(super) fn rate_of(total: &[Point]) -> Vec<Point> {
    let reach = total.len() / 8;
    let rate = |i: usize| {
        let (from, to) = (total[i - reach], total[i + reach]);
        (total[i].0, (to.1 - from.1) / (to.0 - from.0))
    };
    if reach == 0 { Vec::new() } else { (reach..total.len() - reach).map(rate).collect() }
}

#[derive(Clone, Copy)]
struct Pair {
    t: f64,
    y: f64,
    driver: f64,
}

/// The values of both at the times of `series`: of the driver the last value until then. Not beyond the driver's end: the
/// lowest values of the same bucket are less than one apart.
fn aligned(series: &[Point], driver: &[Point]) -> Vec<Pair> {
    let (Some(first), Some(last)) = (driver.first(), driver.last()) else { return Vec::new() };
    let bucket = (last.0 - first.0) / driver.len() as f64;
    let at = |t: f64| driver[..driver.partition_point(|point| point.0 <= t + 1.0)].last();
    let inside = series.iter().filter(|point| point.0 <= last.0 + bucket);
    inside.filter_map(|&(t, y)| Some(Pair { t, y, driver: at(t)?.1 })).collect()
}

/// Median of the slopes of all pairs with the driver in place of time.
fn per_unit(pairs: &[Pair]) -> Option<f64> {
    let mut by_driver: Vec<Point> = pairs.iter().map(|pair| (pair.driver, pair.y)).collect();
    by_driver.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    slope(&by_driver)
}

fn rise(points: &[Point]) -> f64 {
    let span = points.last().map_or(0.0, |last| last.0) - points.first().map_or(0.0, |first| first.0);
    slope(points).unwrap_or(0.0) * span
}

/// The rise of what is left, if it is more than chance.
fn rise_of(rest: &[Point]) -> f64 {
    let is_up = Trend::of(rest).is_some_and(|trend| trend.p <= 0.05 || trend.tau >= 0.5);
    if is_up { rise(rest) } else { 0.0 }
}

/// Means of the oldest quarter and of the newest.
fn ends(points: &[Point]) -> Option<(f64, f64)> {
    let quarter = points.len().div_ceil(4);
    let mean = |part: &[Point]| part.iter().map(|point| point.1).sum::<f64>() / part.len() as f64;
    (quarter > 0).then(|| (mean(&points[..quarter]), mean(&points[points.len() - quarter..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(y: impl Fn(f64) -> f64) -> Vec<Point> {
        (0..40).map(|i| (2.5 * f64::from(i), y(2.5 * f64::from(i)))).collect()
    }

    #[test]
    fn what_is_held_for_each_socket_is_found() {
        let sockets = points(|t| 10.0 + 2.0 * t);
        let session = points(|t| 5e6 + 30_000.0 * (10.0 + 2.0 * t) + 1000.0 * (t / 7.0).sin());
        let per_unit = explained(&session, &sockets).unwrap();
        assert!((per_unit - 30_000.0).abs() < 500.0, "{per_unit}");
        assert!(grew_as_well(&session, &sockets));
    }

    #[test]
    fn what_goes_on_when_the_load_does_not_is_not_explained() {
        let sockets = points(|t| 10.0 + 2.0 * t.min(40.0));
        let leak = points(|t| 5e6 + 60_000.0 * t);
        assert_eq!(explained(&leak, &sockets), None);
        assert!(explained(&points(|t| 5e6 + 60_000.0 * t.min(40.0)), &sockets).is_some());
    }

    #[test]
    fn a_steady_load_explains_nothing() {
        let (leak, steady) = (points(|t| 5e6 + 60_000.0 * t), points(|t| 100.0 + t / 100.0));
        assert!(!grew_as_well(&leak, &steady));
        assert_eq!(explained(&leak, &points(|_| 100.0)), None);
        assert_eq!(explained(&leak, &[]), None);
    }

    #[test]
    fn a_load_has_bends_that_a_leak_under_it_has_not() {
        let load = points(|t| 100.0 + 5.0 * (t / 12.0).sin() + t / 10.0);
        let held = points(|t| 5e6 + 3e4 * (100.0 + 5.0 * (t / 12.0).sin() + t / 10.0));
        let leaked = points(|t| 5e6 + 3e4 * (100.0 * t - 60.0 * (t / 12.0).cos() + t * t / 20.0));
        assert!(resembles(&held, &load) && !resembles(&leaked, &load));
        assert!(!resembles(&points(|t| t), &points(|t| 3.0 * t)) && !resembles(&[], &load));
    }

    #[test]
    fn rates_of_a_total() {
        let rates = rate_of(&points(|t| 7.0 * t));
        assert!(rates.len() == 30 && rates.iter().all(|rate| (rate.1 - 7.0).abs() < 1e-9));
        assert!(rate_of(&points(|t| t)[..4]).is_empty());
    }
}

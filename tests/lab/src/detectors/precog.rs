//! LBR and Precog (Jindal et al., arXiv 2101.09799 and 2106.08938; github.com/ansjin/memory_leak_detection): lines
//! through what a virtual machine uses, from points of change to now.
//!
//! They think in percent of a machine and in hours. Here all of the machine is twice what was resident at first, and
//! all durations are divided by one factor: with [`SPEED`], medians of five minutes are the readings of a second.

use super::{Alarm, Detector};
use crate::{DAY, HOUR, stats::quantile};

/// What all durations are divided by: six hours, the shortest trend, are 72 s.
pub const SPEED: f64 = 300.0;
const SMOOTHED_OVER_S: f64 = HOUR / SPEED;
const SHORTEST_TREND_S: f64 = 6.0 * HOUR / SPEED;
const CRITICAL_S: f64 = 7.0 * DAY / SPEED;
/// Precog learns from so much, half of a usual trace: a trend must fit into it.
const TRAINED_FOR_S: f64 = 75.0;
/// A line fits with that share of the variance explained.
const FITS: f64 = 0.8;
/// A longer window may fit so much worse than the best.
const WORSE_BY: f64 = 0.05;
/// A difference changes the trend at that modified z-score.
const CHANGES_AT: f64 = 3.5;
/// Percent; below, Precog says nothing.
const LEAST: f64 = 40.0;
/// Percent; the maximum filter looks at what is below.
const FULL: f64 = 95.0;
/// The maximum filter compares so many of the highest values.
const HIGHEST: usize = 10;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A line from a point of change to now that rises and fits.
    Lbr,
    /// The same, if it is steeper and longer than what was seen in training, and full soon.
    Precog,
    /// The same, if it is also higher than in training.
    PrecogWithMaximum,
}

/// A line: percent a second, how well it fits, its value at the end, and how long it is.
#[derive(Clone, Copy, Debug)]
struct Line {
    slope: f64,
    r2: f64,
    end: f64,
    seconds: f64,
}

/// The detector.
pub struct Precog {
    rule: Rule,
    /// Bytes that are 100 %.
    full: f64,
    /// The readings of the last [`SMOOTHED_OVER_S`].
    recent: Vec<(f64, f64)>,
    /// Seconds, and percent, smoothed.
    series: Vec<(f64, f64)>,
    trained: Option<Training>,
    alarmed: bool,
}

/// What was seen in training.
#[derive(Debug, Default)]
struct Training {
    /// Slope and duration of each trend.
    trends: Vec<(f64, f64)>,
    /// Median of the highest values.
    highest: f64,
}

impl Precog {
    /// With nothing seen yet.
    #[must_use]
    pub const fn new(rule: Rule) -> Self {
        Self { rule, full: 0.0, recent: Vec::new(), series: Vec::new(), trained: None, alarmed: false }
    }

    fn push(&mut self, at_s: f64, bytes: f64) {
        if self.full == 0.0 {
            self.full = 2.0 * bytes;
        }
        self.recent.retain(|(at, _)| *at > at_s - SMOOTHED_OVER_S);
        self.recent.push((at_s, bytes / self.full * 100.0));
        let percents: Vec<f64> = self.recent.iter().map(|(_, percent)| *percent).collect();
        self.series.extend(quantile(&percents, 0.5).map(|median| (at_s, median)));
    }

    /// The lines that a backward walk over the points of change keeps: those that rise, are long enough, and fit as
    /// well as the best one before or nearly so.
    fn lines(&self) -> Vec<Line> {
        let (mut best, mut kept) = (FITS, Vec::new());
        for &start in change_points(&self.series).iter().rev() {
            let Some(line) = fit(&self.series[start..]) else { continue };
            if line.slope > 0.0 && line.seconds >= SHORTEST_TREND_S && line.r2 >= best - WORSE_BY {
                best = best.max(line.r2);
                kept.push(line);
            }
        }
        kept
    }

    fn precog(&mut self) -> bool {
        let Some((now, percent)) = self.series.last().copied() else { return false };
        if now < TRAINED_FOR_S {
            return false;
        }
        let training = self.trained.get_or_insert_with(|| Training::of(&self.series));
        let suppressed = self.rule == Rule::PrecogWithMaximum && training.is_higher_than(&self.series);
        let training = &self.trained;
        let is_news = |line: &Line| training.as_ref().is_some_and(|training| training.is_exceeded_by(line));
        percent >= LEAST && !suppressed && self.lines().iter().any(is_news)
    }
}

impl Detector for Precog {
    fn sample(&mut self, at_s: f64, bytes: f64) -> Option<Alarm> {
        self.push(at_s, bytes);
        let says = match self.rule {
            Rule::Lbr => !self.lines().is_empty(),
            Rule::Precog | Rule::PrecogWithMaximum => self.precog(),
        };
        let was = std::mem::replace(&mut self.alarmed, says);
        let slope = || self.lines().last().map(|line| line.slope * HOUR * self.full / 100.0);
        (says && !was).then(|| Alarm { at_s, rate: slope() })
    }
}

impl Training {
    /// Of each point of change, the best of the lines from it to any later one.
    fn of(series: &[(f64, f64)]) -> Self {
        let points = change_points(series);
        let best = |start: &usize| {
            let lines =
                points.iter().filter(|end| *end > start).filter_map(|end| fit(&series[*start..=*end]));
            lines.filter(is_trend).max_by(|a, b| a.r2.total_cmp(&b.r2))
        };
        let trends = points.iter().filter_map(best).map(|line| (line.slope, line.seconds)).collect();
        Self { trends, highest: median_of_highest(series) }
    }

    fn is_exceeded_by(&self, line: &Line) -> bool {
        let longest = self.trends.iter().map(|trend| trend.1).fold(0.0, f64::max);
        let steepest = self.trends.iter().map(|trend| trend.0).fold(0.0, f64::max);
        let beyond_all = line.slope >= steepest && line.seconds >= longest;
        let beyond_one =
            self.trends.iter().any(|(slope, seconds)| line.slope >= *slope && line.seconds >= *seconds);
        line.r2 > FITS && is_critical(line) && (beyond_all || beyond_one)
    }

    fn is_higher_than(&self, series: &[(f64, f64)]) -> bool {
        let points = change_points(series);
        let start = points.iter().rev().nth(1).copied().unwrap_or(0);
        highest(&series[start..]).iter().any(|percent| *percent < FULL && *percent < self.highest)
    }
}

fn is_trend(line: &Line) -> bool {
    line.r2 > FITS && line.seconds >= SHORTEST_TREND_S && is_critical(line)
}

/// Whether the line reaches 100 % within a week, scaled.
fn is_critical(line: &Line) -> bool {
    line.slope > 0.0 && (100.0 - line.end) / line.slope <= CRITICAL_S
}

fn highest(series: &[(f64, f64)]) -> Vec<f64> {
    let mut values: Vec<f64> = series.iter().map(|(_, percent)| *percent).collect();
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    values.truncate(HIGHEST);
    values
}

fn median_of_highest(series: &[(f64, f64)]) -> f64 {
    quantile(&highest(series), 0.5).unwrap_or(0.0)
}

/// Indexes at which the series changes, the first and the last one included, none closer to another than the shortest
/// trend is long.
fn change_points(series: &[(f64, f64)]) -> Vec<usize> {
    let differences: Vec<f64> = series.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs()).collect();
    let median = quantile(&differences, 0.5).unwrap_or(0.0);
    let deviations: Vec<f64> = differences.iter().map(|d| (d - median).abs()).collect();
    let mad = quantile(&deviations, 0.5).unwrap_or(0.0);
    let changes = (0..deviations.len()).filter(|i| 0.6745 * deviations[*i] > CHANGES_AT * mad).map(|i| i + 1);
    let mut points: Vec<usize> = Vec::new();
    for point in [0].into_iter().chain(changes).chain(series.len().checked_sub(1)) {
        let near = points.last().is_some_and(|last| series[point].0 - series[*last].0 < SHORTEST_TREND_S);
        if !near {
            points.push(point);
        }
    }
    points
}

/// The line of least squares; `None` through fewer than three points, or none that differ.
fn fit(series: &[(f64, f64)]) -> Option<Line> {
    let ((first, _), (last, _)) = (series.first()?, series.last()?);
    let n = series.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| series.iter().map(of).sum::<f64>() / n;
    let (t, y) = (mean(|p| p.0), mean(|p| p.1));
    let sum = |of: &dyn Fn(f64, f64) -> f64| series.iter().map(|p| of(p.0 - t, p.1 - y)).sum::<f64>();
    let (tt, ty, yy) = (sum(&|dt, _| dt * dt), sum(&|dt, dy| dt * dy), sum(&|_, dy| dy * dy));
    let slope = ty / tt;
    let line = Line { slope, r2: ty * ty / (tt * yy), end: y + slope * (last - t), seconds: last - first };
    (series.len() > 2 && tt > 0.0 && yy > 0.0).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each rule alarms at resident sizes (MB) that change after 80 s.
    fn alarms(before: impl Fn(f64) -> f64, after: impl Fn(f64) -> f64) -> [Option<f64>; 3] {
        [Rule::Lbr, Rule::Precog, Rule::PrecogWithMaximum].map(|rule| {
            let mut detector = Precog::new(rule);
            let mb = |t: f64| if t < 80.0 { before(t) } else { after(t) };
            let alarm = |s: u32| detector.sample(f64::from(s), mb(f64::from(s)) * 1e6);
            (0..160).find_map(alarm).map(|alarm| alarm.at_s)
        })
    }

    #[test]
    fn what_each_rule_is_for() {
        // Even growth: LBR sees it as soon as it is long enough; Precog takes what it learnt from for normal, and no less.
        let [lbr, precog, filtered] = alarms(|t| 50.0 + 0.1 * t, |t| 50.0 + 0.1 * t);
        assert!(lbr == Some(72.0) && precog.is_some() && filtered.is_some());
        // A flat series says nothing to anybody.
        assert_eq!(alarms(|_| 50.0, |_| 50.0), [None; 3]);
        // What grows to less than there was in training is Precog's business and not the filter's.
        let [_, _, filtered] = alarms(|_| 80.0, |t| 40.0 + 0.2 * (t - 80.0));
        assert_eq!(filtered, None);
    }

    #[test]
    fn points_of_change_are_far_apart() {
        let series: Vec<(f64, f64)> = (0..200).map(|s| (f64::from(s), f64::from(s / 100) * 9.0)).collect();
        assert_eq!(change_points(&series), [0, 100, 199]);
        let line = fit(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]).unwrap();
        assert!(
            (line.slope - 2.0).abs() < 1e-9 && (line.r2 - 1.0).abs() < 1e-9 && (line.end - 5.0).abs() < 1e-9
        );
    }
}

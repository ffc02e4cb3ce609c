//! What was promised, beside what was measured.

use super::table::{interval, share, table};
use crate::{
    DAY, HOUR,
    cases::Case,
    detectors::{MEMWATCH, OURS},
    score::{self, Judged, Score},
    stats::{quantile, upper_rate, wilson},
    trace::Truth,
};

/// A bar: what it is about, what was measured, what was promised, whether it is met.
type Bar = (&'static str, String, &'static str, bool);

/// The table of bars over the reported families.
pub(super) fn bars(report: &[Judged<'_>]) -> String {
    let all = Score::of(report, OURS);
    let bars =
        [precision(&all), false_alarms(&all), recall(report), speed(report), rate(&all), forecast(report)];
    let row = |(what, measured, bar, met): Bar| {
        vec![what.to_owned(), measured, bar.to_owned(), if met { "met" } else { "**missed**" }.to_owned()]
    };
    table(&["", "measured", "bar", ""], &bars.map(row))
}

fn precision(all: &Score) -> Bar {
    let (hits, alarmed) = (all.hits, all.hits + all.false_processes);
    let measured = format!("{} of {alarmed} alarmed", interval(all.precision(), wilson(hits, alarmed)));
    ("precision", measured, ">= 0.95", all.precision() >= 0.95)
}

fn false_alarms(all: &Score) -> Bar {
    let upper = upper_rate(all.false_alarms, all.healthy_days);
    let measured = format!(
        "{} in {:.0} process-days: {:.4}, at most {upper:.4}",
        all.false_alarms,
        all.healthy_days,
        all.false_rate()
    );
    (
        "false alarms a process-day, with 95 % upper bound",
        measured,
        "bound <= 0.01, over >= 300",
        upper <= 0.01 && all.healthy_days >= 300.0,
    )
}

fn recall(report: &[Judged<'_>]) -> Bar {
    let slow: Vec<_> = report.iter().copied().filter(|(case, _)| is_day_of_slow_leak(case)).collect();
    let slow = Score::of(&slow, OURS);
    let measured = format!("{} of {}", interval(slow.recall(), wilson(slow.hits, slow.leaks)), slow.leaks);
    ("recall, leaks of >= 1 MB/h watched for a day or more", measured, ">= 0.95", slow.recall() >= 0.95)
}

fn is_day_of_slow_leak(case: &Case) -> bool {
    matches!(case.truth, Truth::Leak { rate, from_s } if rate >= 1e6 && case.watch_s - from_s >= DAY)
}

fn speed(report: &[Judged<'_>]) -> Bar {
    let what = "median time to detect beside memwatch-next's, where both detect";
    let bar = "<= 1.5 for live processes";
    let Some((ours, theirs, n)) = score::beside(report, OURS, MEMWATCH) else {
        return (what, "no leak that both find".to_owned(), bar, false);
    };
    let measured =
        format!("{:.2} h / {:.2} h = {:.2} ({n} leaks)", ours / HOUR, theirs / HOUR, ours / theirs);
    (what, measured, bar, ours <= 1.5 * theirs)
}

fn rate(all: &Score) -> Bar {
    let median = |errors: &[f64]| quantile(errors, 0.5).unwrap_or(1.0) * 100.0;
    let last = median(&all.last_rate_errors);
    let measured = format!("{:.1} % at the alarm, {last:.1} % in the end", median(&all.rate_errors));
    ("median error of the rate", measured, "<= 10 %", last <= 10.0)
}

fn forecast(report: &[Judged<'_>]) -> Bar {
    let (runs, made, right) = score::forecasts(report);
    let covered = score::share(right, made);
    let measured = format!("{} of {made} forecasts in {runs} runs", share(covered));
    ("forecasts whose interval holds the time of death", measured, ">= 0.80", covered >= 0.8 && made > 0)
}

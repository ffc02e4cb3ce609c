//! What was promised of live processes, beside what was measured.

use super::score::{self, Judged, Tally, Who};
use crate::{
    page::table::{count, interval, mib, percent, seconds, table},
    score::share,
    stats::{quantile, upper_rate, wilson},
};

/// What is measured, what was promised, and how it is measured on some processes.
struct Bar {
    what: &'static str,
    promised: &'static str,
    measure: fn(&[&Judged]) -> String,
}

const BARS: [Bar; 8] = [
    Bar { what: "precision", promised: ">= 0.95", measure: precision },
    Bar { what: "recall", promised: ">= 0.90", measure: recall },
    Bar { what: "right kind, of the leaks found", promised: ">= 0.90", measure: right_kind },
    Bar { what: "time to detect, median", promised: "–", measure: delay },
    Bar { what: "time beside memwatch-next's, where it finds the leak", promised: "<= 1.5", measure: beside },
    Bar { what: "false alarms", promised: "–", measure: false_alarms },
    Bar { what: "error of the rate, median", promised: "<= 10 %", measure: rate_error },
    Bar { what: "forecasts that hold the moment of death", promised: ">= 0.80", measure: forecasts },
];

/// One row a bar, one column a set of processes. Those that run until they die are in forecasts only.
pub(super) fn bars(sets: &[(&str, &[&Judged])]) -> String {
    let head: Vec<&str> = ["", "bar"].into_iter().chain(sets.iter().map(|(name, _)| *name)).collect();
    let row = |bar: &Bar| {
        let measured = sets.iter().map(|(_, set)| (bar.measure)(set));
        [bar.what.to_owned(), bar.promised.to_owned()].into_iter().chain(measured).collect()
    };
    table(&head, &BARS.iter().map(row).collect::<Vec<_>>())
}

fn live(set: &[&Judged]) -> Tally {
    Tally::of(set, Who::Live)
}

fn with_interval(part: usize, all: usize) -> String {
    format!("{} of {all}", interval(share(part, all), wilson(part, all)))
}

fn precision(set: &[&Judged]) -> String {
    let tally = live(set);
    with_interval(tally.hits, tally.hits + tally.false_alarms)
}

fn recall(set: &[&Judged]) -> String {
    let tally = live(set);
    with_interval(tally.hits, tally.leaks)
}

fn right_kind(set: &[&Judged]) -> String {
    let tally = live(set);
    with_interval(tally.right_kind, tally.hits)
}

fn delay(set: &[&Judged]) -> String {
    let tally = live(set);
    let [delay, collections] = [0, 1].map(|of| tally.delay(of, 0.5));
    format!("{}, {} mark-compacts, {}", seconds(delay), count(collections), mib(quantile(&tally.bytes, 0.5)))
}

fn beside(set: &[&Judged]) -> String {
    let figure = |(ours, theirs, n): (f64, f64, usize)| {
        format!("{} / {} = {:.2} ({n} leaks)", seconds(Some(ours)), seconds(Some(theirs)), ours / theirs)
    };
    score::beside_memwatch(set).map_or("–".to_owned(), figure)
}

fn false_alarms(set: &[&Judged]) -> String {
    let tally = live(set);
    let (alarms, days) = (tally.false_alarms, tally.healthy_days());
    format!("{alarms} in {:.1} h: at most {:.1} a day", days * 24.0, upper_rate(alarms, days))
}

fn rate_error(set: &[&Judged]) -> String {
    let errors: Vec<f64> = set.iter().filter_map(|process| process.rate_error()).collect();
    format!("{} ({} leaks)", percent(quantile(&errors, 0.5)), errors.len())
}

fn forecasts(set: &[&Judged]) -> String {
    let (runs, made, right) = score::forecasts(set);
    if made == 0 { "–".to_owned() } else { format!("{}, {runs} runs", with_interval(right, made)) }
}

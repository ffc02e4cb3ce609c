//! The page's tables.

use anyhow::Result;

use super::{
    Replayed,
    table::{count, interval, mib, percent, share, table, time},
};
use crate::{
    detectors::{ABLATION, Kind, MEMWATCH, OURS},
    recorded,
    score::{Judged, Score},
    sim::check::paces,
    stats::{quantile, upper_rate, wilson},
    trace::{Trace, Truth},
};

/// One row a family, ours beside faithful memwatch.
pub(super) fn families(judged: &[Judged<'_>]) -> String {
    let mut names: Vec<&str> = judged.iter().map(|(case, _)| case.family).collect();
    names.dedup();
    let of = |name: &str| judged.iter().copied().filter(|(case, _)| case.family == name).collect::<Vec<_>>();
    let (leaking, healthy): (Vec<_>, Vec<_>) =
        names.into_iter().map(|name| (name, of(name))).partition(|(_, cases)| cases.iter().any(leaks));
    [leak_families(&leaking), healthy_families(&healthy)]
        .iter()
        .filter(|t| !t.is_empty())
        .cloned()
        .collect::<Vec<_>>()
        .join("\n")
}

fn leaks((case, _): &Judged<'_>) -> bool {
    case.truth != Truth::Healthy
}

fn leak_families(families: &[(&str, Vec<Judged<'_>>)]) -> String {
    if families.is_empty() {
        return String::new();
    }
    let row = |(name, cases): &(&str, Vec<Judged<'_>>)| leak_row(name, cases);
    table(&LEAK_HEAD, &families.iter().map(row).collect::<Vec<_>>())
}

const LEAK_HEAD: [&str; 8] = [
    "leaks",
    "n",
    "found",
    "time to detect (median, p90)",
    "mark-compacts",
    "bytes leaked",
    "rate off by",
    "memwatch-next finds, in",
];

fn leak_row(name: &str, cases: &[Judged<'_>]) -> Vec<String> {
    let score = |detector| Score::of(cases, detector);
    let (ours, theirs) = (score(OURS), score(MEMWATCH));
    vec![
        name.to_owned(),
        ours.leaks.to_string(),
        share(ours.recall()),
        format!("{}, {}", time(ours.delay(0, 0.5)), time(ours.delay(0, 0.9))),
        count(ours.delay(1, 0.5)),
        mib(ours.delay(2, 0.5)),
        percent(quantile(&ours.last_rate_errors, 0.5)),
        format!("{}, {}", share(theirs.recall()), time(theirs.delay(0, 0.5))),
    ]
}

fn healthy_families(families: &[(&str, Vec<Judged<'_>>)]) -> String {
    if families.is_empty() {
        return String::new();
    }
    let row = |(name, cases): &(&str, Vec<Judged<'_>>)| {
        let score = |detector| Score::of(cases, detector);
        let (ours, theirs) = (score(OURS), score(MEMWATCH));
        let figures = [ours.false_processes, ours.false_alarms, theirs.false_processes, theirs.false_alarms];
        let mut cells =
            vec![(*name).to_owned(), cases.len().to_string(), format!("{:.0}", ours.healthy_days)];
        cells.extend(figures.map(|n| n.to_string()));
        cells
    };
    let head = ["look-alikes", "n", "process-days", "alarmed", "alarms", "memwatch-next alarmed", "alarms"];
    table(&head, &families.iter().map(row).collect::<Vec<_>>())
}

/// One row an order of magnitude of the rate.
pub(super) fn rates(judged: &[Judged<'_>]) -> String {
    let from = [
        (1e6, "1 to 2 MB/h"),
        (1e7, "10 to 20 MB/h"),
        (1e8, "100 to 200 MB/h"),
        (1e9, "1 to 2 GB/h"),
        (1e10, "10 to 20 GB/h"),
    ];
    let rows = from.map(|(low, name)| {
        let within =
            |truth: Truth| matches!(truth, Truth::Leak { rate, .. } if (low..=2.0 * low).contains(&rate));
        leak_row(name, &judged.iter().copied().filter(|(case, _)| within(case.truth)).collect::<Vec<_>>())
    });
    table(&LEAK_HEAD, &rows)
}

/// One row a setting of a detector.
pub(super) fn detectors(judged: &[Judged<'_>], kinds: &[Kind]) -> String {
    rows_of_detectors(judged, kinds, |_, kind| kind.family != ABLATION)
}

/// One row a test that is left out.
pub(super) fn ablation(judged: &[Judged<'_>], kinds: &[Kind]) -> String {
    rows_of_detectors(judged, kinds, |i, kind| i == OURS || kind.family == ABLATION)
}

fn rows_of_detectors(
    judged: &[Judged<'_>],
    kinds: &[Kind],
    is_listed: impl Fn(usize, &Kind) -> bool,
) -> String {
    let row = |(i, kind): (usize, &Kind)| {
        let s = Score::of(judged, i);
        vec![
            kind.name.clone(),
            interval(s.recall(), wilson(s.hits, s.leaks)),
            interval(s.precision(), wilson(s.hits, s.hits + s.false_processes)),
            format!("{:.4} (<= {:.4})", s.false_rate(), upper_rate(s.false_alarms, s.healthy_days)),
            time(s.delay(0, 0.5)),
            count(s.delay(1, 0.5)),
        ]
    };
    let head =
        ["", "recall", "precision", "false alarms a process-day", "median time to detect", "mark-compacts"];
    let listed = kinds.iter().enumerate().filter(|(i, kind)| is_listed(*i, kind));
    table(&head, &listed.map(row).collect::<Vec<_>>())
}

/// One row a recorded process.
pub(super) fn recorded(replayed: &[Replayed], kinds: &[Kind]) -> String {
    let listed: Vec<(usize, &Kind)> =
        kinds.iter().enumerate().filter(|(_, kind)| kind.family != ABLATION).collect();
    let row = |&(i, kind): &(usize, &Kind)| {
        let said = |replayed: &Replayed| match (&replayed.1, &replayed.2[i]) {
            (Truth::Leak { .. }, said) => time(said.detected_s),
            (Truth::Healthy, said) if said.false_alarms > 0 => format!("{} false", said.false_alarms),
            (Truth::Healthy, _) => "–".to_owned(),
        };
        std::iter::once(kind.name.clone()).chain(replayed.iter().map(said)).collect()
    };
    let head: Vec<&str> = std::iter::once("").chain(replayed.iter().map(|r| r.0)).collect();
    table(&head, &listed.iter().map(row).collect::<Vec<_>>())
}

/// One row a recorded process: the recorded pace and the model's.
pub(super) fn model() -> Result<String> {
    let mut rows = Vec::new();
    for (name, csv, _) in recorded::RECORDED {
        let Some([real, model]) = paces(&Trace::parse(csv)?) else { continue };
        let both = |a: String, b: String| format!("{a} / {b}");
        rows.push(vec![
            name.to_owned(),
            both(real.count.to_string(), model.count.to_string()),
            both(time(Some(real.interval_s)), time(Some(model.interval_s))),
            both(share(real.ratio), share(model.ratio)),
        ]);
    }
    Ok(table(&["recorded / model", "mark-compacts", "interval", "before / after"], &rows))
}

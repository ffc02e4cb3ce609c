//! Tables about live processes.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    replay::Setting,
    score::{self, Judged, Tally, Who},
    settings::MEMWATCH,
};
use crate::{
    page::table::{count, interval, percent, seconds, table},
    stats::wilson,
};

/// Right kinds down, kinds that were said across.
pub(super) fn confusion(counts: &BTreeMap<(String, String), usize>) -> String {
    let right: BTreeSet<&String> = counts.keys().map(|(right, _)| right).collect();
    let said: BTreeSet<&String> = counts.keys().map(|(_, said)| said).collect();
    let mut head = vec!["right / said"];
    head.extend(said.iter().map(|kind| kind.as_str()));
    let cell =
        |right: &str, said: &str| counts.get(&(right.to_owned(), said.to_owned())).copied().unwrap_or(0);
    let row = |right: &&String| {
        let cells = said.iter().map(|said| cell(right, said).to_string());
        [(*right).clone()].into_iter().chain(cells).collect()
    };
    table(&head, &right.iter().map(row).collect::<Vec<_>>())
}

/// One row a setting of a detector, the tool as it was live first.
pub(super) fn settings(set: &[&Judged], settings: &[Setting]) -> String {
    let names = settings.iter().map(|setting| setting.name.as_str());
    let whos = (0..settings.len()).map(Who::Replayed);
    let rows = [("memwatch-bpf, live", Who::Live)].into_iter().chain(names.zip(whos));
    let row = |(name, who): (&str, Who)| {
        let t = Tally::of(set, who);
        vec![
            name.to_owned(),
            interval(t.recall(), wilson(t.hits, t.leaks)),
            interval(t.precision(), wilson(t.hits, t.hits + t.false_alarms)),
            format!("{} of {}", t.false_alarms, t.healthy),
            seconds(t.delay(0, 0.5)),
            count(t.delay(1, 0.5)),
        ]
    };
    let head =
        ["", "recall", "precision", "healthy ones alarmed at", "median time to detect", "mark-compacts"];
    table(&head, &rows.map(row).collect::<Vec<_>>())
}

/// One row a variant of a case: what was said, live and by faithful memwatch.
pub(super) fn families(set: &[&Judged]) -> String {
    let mut groups: BTreeMap<(&str, &str), Vec<&Judged>> = BTreeMap::new();
    for process in set {
        let run = &process.trace.run;
        groups.entry((&run.case, &run.variant)).or_default().push(process);
    }
    let head =
        ["", "right", "Node", "leak of kind, after", "true MB/h", "rate off by", "memwatch-next after"];
    table(&head, &groups.iter().map(|(name, processes)| family(*name, processes)).collect::<Vec<_>>())
}

fn family((case, variant): (&str, &str), processes: &[&Judged]) -> Vec<String> {
    let leaks = processes.iter().any(|process| process.trace.run.leaks());
    let right = if leaks { processes[0].case.kinds.join(", ") } else { "none".to_owned() };
    let each =
        |of: &dyn Fn(&Judged) -> String| processes.iter().map(|p| of(p)).collect::<Vec<_>>().join(", ");
    let after = |who: Who| {
        move |process: &Judged| {
            process.said(who).map_or("–".to_owned(), |said| {
                let kind = said.kind.as_ref().map_or(String::new(), |kind| format!("{kind} "));
                format!("{kind}{}", seconds(Some(said.at_s)))
            })
        }
    };
    let rate = |process: &Judged| {
        process.true_rate().filter(|_| leaks).map_or("–".to_owned(), |rate| format!("{:.0}", rate / 1e6))
    };
    let major = |node: &str| node.split('.').next().unwrap_or(node).to_owned();
    vec![
        format!("{case}, {variant}"),
        right,
        each(&|process| major(&process.trace.run.node)),
        each(&after(Who::Live)),
        each(&rate),
        each(&|process| percent(process.rate_error())),
        each(&after(Who::Replayed(MEMWATCH))),
    ]
}

/// One row a process that was watched until it died.
pub(super) fn deaths(judged: &[&Judged]) -> String {
    let row = |process: &Judged| {
        let (_, made, right) = score::forecasts(&[process]);
        vec![
            process.trace.run.name(),
            seconds(process.trace.death_s()),
            seconds(process.live.as_ref().map(|said| said.at_s)),
            format!("{right} of {made}"),
        ]
    };
    let rows: Vec<_> = judged.iter().filter(|process| process.case.to_death).map(|p| row(p)).collect();
    table(&["", "died after", "`leak` after", "forecasts that held"], &rows)
}

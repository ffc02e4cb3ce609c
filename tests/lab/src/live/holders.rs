//! Whether `heap diff` names what holds a leak: its answers about the programs of `tests/corpus`, as they were recorded.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use memwatch_user::report::heap::record::{Diff, GrownHolder};
use serde::{Deserialize, Serialize};

use super::case::{self, Case, Run};
use crate::{
    page::table::{interval, mib, table},
    score::share,
    stats::wilson,
};

/// What was promised: the share of leaks whose first or largest holder is the true one.
const PROMISED: &str = ">= 0.90";
/// Holders of an answer that are kept.
const KEPT: usize = 8;
/// What three takes say of a place that grows as a leak does.
const STEADY: &str = "steady";

/// What `heap diff` said of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Which process it was.
    #[serde(skip)]
    pub run: Option<Run>,
    /// Version of the tool.
    pub tool: String,
    /// Seconds between the first take and the last.
    pub seconds: f64,
    /// Bytes that all objects grew by.
    pub grown_bytes: i64,
    /// The places that hold more, in the order of the answer.
    pub holders: Vec<Line>,
}

/// What is kept of a place that holds more: no file, which is one of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Class of most of what is in it.
    pub class: String,
    /// Where it is, in one phrase.
    #[serde(rename = "where")]
    pub place: String,
    /// Bytes more than before.
    pub grown_bytes: i64,
    /// Objects more than before.
    pub grown_count: i64,
    /// Of three takes, whether it grew in both intervals.
    pub trend: Option<String>,
    /// Whether it is Node's or V8's own.
    pub own: bool,
}

impl From<GrownHolder> for Line {
    fn from(grown: GrownHolder) -> Self {
        let GrownHolder { class, place, grown_bytes, grown_count, trend, own, .. } = grown;
        Self { class, place, grown_bytes, grown_count, trend, own }
    }
}

impl Answer {
    /// What is kept of `diff`.
    #[must_use]
    pub fn of(diff: Diff, tool: &str) -> Self {
        Self {
            run: None,
            tool: tool.to_owned(),
            seconds: diff.after.after_s,
            grown_bytes: diff.change.size_bytes,
            holders: diff.holders.into_iter().take(KEPT).map(Line::from).collect(),
        }
    }

    /// Whether the first or the largest of the holders is one that `case` says.
    fn is_right(&self, case: &Case) -> bool {
        let largest = self.holders.iter().max_by_key(|holder| holder.grown_bytes);
        let named = self.holders.first().into_iter().chain(largest);
        named.into_iter().any(|holder| case.holder.iter().any(|words| line(holder).contains(words)))
    }

    /// What it names as growing that is the program's own.
    fn named(&self) -> Option<&Line> {
        self.holders.iter().find(|holder| !holder.own && holder.trend.as_deref() == Some(STEADY))
    }
}

/// A holder as `heap diff` prints it, without figures.
fn line(holder: &Line) -> String {
    format!("{} in {}", holder.class, holder.place)
}

/// Where the answer about a process is, if it was recorded.
#[must_use]
pub fn file(run: &Run) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/holders")).join(run.name() + ".json")
}

/// All answers there are, with their cases.
pub fn all() -> Result<Vec<(Case, Answer)>> {
    let mut answers = Vec::new();
    for case in case::all()? {
        for run in case.heap_runs() {
            let file = file(&run);
            if file.exists() {
                let answer = read(&file, run).with_context(|| format!("{} is no answer", file.display()))?;
                answers.push((case.clone(), answer));
            }
        }
    }
    Ok(answers)
}

fn read(file: &Path, run: Run) -> Result<Answer> {
    let mut answer: Answer = serde_json::from_str(&fs::read_to_string(file)?)?;
    answer.run = Some(run);
    Ok(answer)
}

/// The section of docs/detection.md.
#[must_use]
pub fn section(answers: &[(Case, Answer)]) -> String {
    if answers.is_empty() {
        return format!("{HEAD}Nothing is recorded yet: run `cargo xtask evaluate --record`.\n");
    }
    let is_leaky = |(_, answer): &&(Case, Answer)| answer.run.as_ref().is_some_and(Run::leaks);
    let (leaky, healthy): (Vec<_>, Vec<_>) = answers.iter().partition(is_leaky);
    let hits = leaky.iter().filter(|(case, answer)| answer.is_right(case)).count();
    let quiet = healthy.iter().filter(|(_, answer)| answer.named().is_none()).count();
    let bar = |what: &str, promised: &str, part: usize, all: usize| {
        let measured = format!("{} of {all}", interval(share(part, all), wilson(part, all)));
        vec![what.to_owned(), promised.to_owned(), measured]
    };
    let bars = [
        bar("leaks whose first or largest holder is the true one", PROMISED, hits, leaky.len()),
        bar("healthy variants of which nothing is named as growing", "1.00", quiet, healthy.len()),
    ];
    let head = HEAD.to_owned() + METHOD;
    [head, table(&["", "bar", "measured"], &bars), rows(answers)].join("\n")
}

fn rows(answers: &[(Case, Answer)]) -> String {
    let rows: Vec<_> = answers.iter().map(|(case, answer)| row(case, answer)).collect();
    table(&["process", "first line of the answer", "grown by", ""], &rows)
}

fn row(case: &Case, answer: &Answer) -> Vec<String> {
    let leaks = answer.run.as_ref().is_some_and(Run::leaks);
    let told = if leaks { answer.holders.first() } else { answer.named() };
    let is_right = if leaks { answer.is_right(case) } else { told.is_none() };
    vec![
        answer.run.as_ref().map_or(String::new(), Run::name),
        told.map_or("–".to_owned(), |holder| line(holder).replace('|', "\\|")),
        mib(told.map(|holder| holder.grown_bytes as f64)),
        if is_right { "right" } else { "**wrong**" }.to_owned(),
    ]
}

const HEAD: &str = "## What holds a leak\n\n";

const METHOD: &str = "\
`heap diff --wait 20s,20s` about each program of `tests/corpus` whose objects leak, and about their healthy variants, at the
age of 45 s or of its attach, with the default pause. Right is the true holder as the first line or as the one that grew most:
`holder` in `case.json` was written from reading the program, before the tool was asked. Of a healthy variant nothing of the
program's own may be named as growing steadily. Where a case names Node 12 or 14, whose heaps are not read, it is Node 16.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(place: &str, grown_bytes: i64, trend: &str, own: bool) -> Line {
        let (class, place) = ("Object".to_owned(), place.to_owned());
        Line { class, place, grown_bytes, grown_count: 1, trend: Some(trend.to_owned()), own }
    }

    fn answer(variant: &str, holders: Vec<Line>) -> (Case, Answer) {
        let case = case::all().unwrap().into_iter().find(|case| case.holder == ["`kept`"]).unwrap();
        let run = Run { case: case.name.clone(), variant: variant.to_owned(), node: "20.20.2".to_owned() };
        let answer = Answer { run: Some(run), tool: "1".to_owned(), seconds: 40.0, grown_bytes: 1, holders };
        (case, answer)
    }

    #[test]
    fn the_first_or_largest_line_is_judged() {
        let kept = || holder("Array `kept` (closure of work, driver.js:9)", 500, "steady", false);
        let other = |bytes| holder("Array `other` (global)", bytes, "step", false);
        for (holders, right) in [
            (vec![kept()], true),
            (vec![other(100), kept()], true),
            (vec![other(900), kept()], false),
            (vec![], false),
        ] {
            let (case, answer) = answer("leaky", holders);
            assert_eq!(answer.is_right(&case), right, "{:?}", answer.holders);
        }
    }

    #[test]
    fn of_healthy_processes_steady_growth_is_wrong() {
        let of = |trend, own| answer("fixed", vec![holder("Array `other` (global)", 900, trend, own)]);
        let all = [of("steady", false), of("step", false), of("steady", true)];
        assert_eq!(all.each_ref().map(|(_, answer)| answer.named().is_some()), [true, false, false]);
        let text = section(&all);
        assert!(text.contains("0.67") && text.contains("of 3"), "{text}");
    }

    #[test]
    fn every_answer_has_a_case() {
        let known: Vec<PathBuf> =
            case::all().unwrap().iter().flat_map(Case::heap_runs).map(|run| file(&run)).collect();
        let folder = known[0].parent().unwrap();
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            assert!(known.contains(&file.path()), "{}", file.path().display());
        }
        all().unwrap();
    }
}

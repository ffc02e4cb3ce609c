//! A program of `tests/corpus`: its `case.json`, which says how it is run and what is true about it.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::cases::Set;

/// The variant that leaks; every other is healthy.
const LEAKY: &str = "leaky";
/// The kind of verdict about objects of JavaScript's.
const JS_HEAP: &str = "js-heap";
/// The oldest release of Node whose heap is read.
const OLDEST_READ: &str = "16.20.2";

/// What `case.json` holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The folder's name, which is the name of the family: all its variants stand on one side of the split.
    #[serde(skip)]
    pub name: String,
    /// `tune` or `report`.
    #[serde(with = "SetName")]
    pub set: Set,
    /// Where it comes from.
    pub source: String,
    /// The kinds of verdict that are right for the leaky variant, as the records spell them.
    pub kinds: Vec<String>,
    /// What holds the objects of a leaky variant whose heap leaks: words, any of which is in `CLASS in PLACE`, as
    /// `heap diff` prints it.
    #[serde(default)]
    pub holder: Vec<String>,
    /// How long it is watched, seconds.
    #[serde(default = "usual_secs")]
    pub secs: u64,
    /// How old the process is at the attach, seconds.
    #[serde(default = "usual_attach")]
    pub attach_s: u64,
    /// When, after the attach, it is stopped and another one is started in its place, seconds.
    pub restart_s: Option<u64>,
    /// Flags of Node and V8.
    #[serde(default)]
    pub flags: Vec<String>,
    /// The limit of a memory cgroup of its own, MiB.
    pub cgroup_mib: Option<u64>,
    /// Whether it is watched until it dies, so that forecasts can be judged.
    #[serde(default)]
    pub to_death: bool,
    /// Whether its releases of Node are older than those that the tool supports.
    #[serde(default)]
    pub below_supported: bool,
    /// Node releases by variant.
    pub runs: BTreeMap<String, Vec<String>>,
}

/// One process of a case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The case's name.
    pub case: String,
    /// The variant.
    pub variant: String,
    /// The release of Node.
    pub node: String,
}

#[derive(Deserialize)]
#[serde(remote = "Set", rename_all = "lowercase")]
enum SetName {
    Tune,
    Report,
    Limit,
}

const fn usual_secs() -> u64 {
    150
}

const fn usual_attach() -> u64 {
    2
}

/// The folder of the programs.
#[must_use]
pub fn corpus() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus"))
}

/// All cases, by name. Fails on a `case.json` that is none.
pub fn all() -> Result<Vec<Case>> {
    let folders = fs::read_dir(corpus()).context("cannot list tests/corpus")?.flatten();
    let mut files: Vec<PathBuf> = folders.map(|folder| folder.path().join("case.json")).collect();
    files.retain(|file| file.exists());
    files.sort();
    files.iter().map(|file| read(file).with_context(|| format!("{} is no case", file.display()))).collect()
}

fn read(file: &std::path::Path) -> Result<Case> {
    let mut case: Case = serde_json::from_str(&fs::read_to_string(file)?)?;
    let folder = file.parent().and_then(|folder| folder.file_name()).context("it is in no folder")?;
    case.name = folder.to_string_lossy().into_owned();
    Ok(case)
}

impl Case {
    /// Whether its leaky variant keeps objects of JavaScript's.
    #[must_use]
    pub fn leaks_objects(&self) -> bool {
        self.kinds.iter().any(|kind| kind == JS_HEAP)
    }

    /// Its processes.
    pub fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        let run = |variant: &String, node: &String| Run {
            case: self.name.clone(),
            variant: variant.clone(),
            node: node.clone(),
        };
        self.runs.iter().flat_map(move |(variant, nodes)| nodes.iter().map(move |node| run(variant, node)))
    }

    /// Those whose heap is read, if objects leak in the leaky variant: of a release too old for that the oldest that is not.
    #[must_use]
    pub fn heap_runs(&self) -> Vec<Run> {
        let read =
            |run: Run| if is_read(&run.node) { run } else { Run { node: OLDEST_READ.to_owned(), ..run } };
        let mut runs: Vec<Run> = self.runs().filter(|_| self.leaks_objects()).map(read).collect();
        runs.sort();
        runs.dedup();
        runs
    }
}

/// Whether the heap of that release of Node is read.
fn is_read(node: &str) -> bool {
    let major = |version: &str| version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    major(node) >= major(OLDEST_READ)
}

impl Run {
    /// Whether it leaks.
    #[must_use]
    pub fn leaks(&self) -> bool {
        self.variant == LEAKY
    }

    /// `CASE.VARIANT.NODE`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}.{}", self.case, self.variant, self.node)
    }

    /// Where its trace is, if it was recorded.
    #[must_use]
    pub fn trace(&self) -> PathBuf {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/traces");
        PathBuf::from(folder).join(self.name() + ".csv")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heaps_are_read_of_releases_that_can_be() {
        assert!(is_read("16.20.2") && is_read("26.10.0") && !is_read("14.21.3"));
        let case = all().unwrap().into_iter().find(|case| case.name == "inflight-throw").unwrap();
        let nodes: Vec<String> = case.heap_runs().into_iter().map(|run| run.node).collect();
        assert_eq!(nodes, ["16.20.2", "26.10.0"]);
    }

    #[test]
    fn every_trace_has_a_case() {
        let known: Vec<PathBuf> = all().unwrap().iter().flat_map(Case::runs).map(|run| run.trace()).collect();
        let folder = known[0].parent().unwrap();
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            assert!(known.contains(&file.path()), "{}", file.path().display());
        }
    }

    #[test]
    fn every_case_can_be_read_and_says_what_is_right() {
        let cases = all().unwrap();
        assert!(cases.len() >= 40, "{}", cases.len());
        for case in cases {
            assert!(case.runs().all(|run| run.leaks() <= !case.kinds.is_empty()), "{}", case.name);
            assert_eq!(case.leaks_objects(), !case.holder.is_empty(), "{}", case.name);
            assert!(case.restart_s.is_none_or(|at| at < case.secs), "{}", case.name);
            assert!(corpus().join(&case.name).join("driver.js").exists(), "{}", case.name);
        }
    }
}

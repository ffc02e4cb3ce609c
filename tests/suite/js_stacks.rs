//! Stacks of JavaScript name the true functions and lines, in every tier of V8, and harm nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use memwatch_tests::{
    machine, node, releases, scratch,
    tool::{self, Finished, Tool},
};
use memwatch_user::report::record::{Body, Governor, Hello, Record, State};

/// The first release whose stacks are walked.
const FIRST: u32 = 16;
/// What keeps V8 in one tier: its name, the releases that have it (before the second), the flags, and which share of the
/// bytes must have true lines.
///
/// Before 22, TurboFan's table of positions has no entries for allocations: the innermost line may be a neighbour's.
const TIERS: [(&str, u32, u32, &[&str], f64); 8] = [
    ("interpreter", 16, 22, &["--no-opt", "--no-sparkplug"], 0.99),
    ("interpreter", 22, NEWER, &["--no-opt", "--no-sparkplug", "--no-maglev"], 0.99),
    ("baseline", 16, 22, &["--no-opt", "--always-sparkplug"], 0.99),
    ("baseline", 22, NEWER, &["--no-opt", "--always-sparkplug", "--no-maglev"], 0.99),
    ("maglev", 22, NEWER, &["--maglev", "--no-turbofan"], 0.99),
    ("all", 16, 22, &[], 0.8),
    ("all", 22, NEWER, &[], 0.99),
    ("compacting", 22, NEWER, &["--stress-compaction", "--gc-interval=5000"], 0.95),
];
const NEWER: u32 = u32::MAX;

pub(crate) fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
}

/// The releases whose stacks are walked. The first is always among them: most of what is known of it comes from a table.
pub(crate) fn releases() -> impl Iterator<Item = &'static str> {
    let is_meant = |version: &&str| releases::chosen().contains(version) || major(version) == FIRST;
    releases::ALL.into_iter().filter(is_meant).filter(|version| major(version) >= FIRST)
}

#[test]
fn functions_and_lines_are_true_in_every_tier() -> Result<()> {
    let _machine = machine::shared();
    let marks = Marks::read("stacks")?;
    for version in releases() {
        let has = |since: u32, before: u32| (since..before).contains(&major(version));
        for (tier, _, _, flags, lines) in TIERS.iter().filter(|(_, since, before, ..)| has(*since, *before)) {
            let judged = judge(version, flags, &marks).with_context(|| format!("Node {version}, {tier}"))?;
            judged.hold(version, tier, *lines)?;
        }
    }
    Ok(())
}

/// What stacks_kinds.js allocates in, as it must be called.
const KINDS: [&str; 6] = [
    "inWorker /",
    "inModule /",
    "fromTypeScript /srv/src/app.ts:10",
    " (eval):",
    "evil /srv/\\u{1b}[31m\\u{7}evil:\\n.js:1",
    "longlong",
];
/// Bytes of the longest line: a few frames, names cut.
const LONGEST_LINE: usize = 4096;

#[test]
fn functions_of_every_origin_have_names_and_none_does_harm() -> Result<()> {
    let _machine = machine::shared();
    for version in releases() {
        let mut node = node::start(version, "stacks_kinds")?.ready()?;
        let (finished, stacks) = profile(node.pid(), "4s")?;
        node.healthy()?;
        let text = stacks.join("\n");
        for kind in KINDS {
            ensure!(text.contains(kind), "Node {version}: no {kind} in {text}");
        }
        let is_tame = |line: &String| line.len() <= LONGEST_LINE && !line.chars().any(char::is_control);
        ensure!(stacks.iter().all(is_tame), "Node {version}: {text}");
        ensure!(!finished.stdout.contains('\u{1b}'), "Node {version}: {}", finished.stdout);
    }
    Ok(())
}

#[test]
fn stacks_that_are_not_wanted_are_not_walked() -> Result<()> {
    let _machine = machine::shared();
    let node = node::running("stacks")?;
    let pid = node.pid().to_string();
    let finished = tool::run(&["--pid", &pid, "--json", "--duration", "2s", "--stacks", "off"])?;
    let off = State::Off("not wanted: --stacks off".to_owned());
    ensure!(hello(&finished)?.features.js_stacks == off, "{:?}", hello(&finished)?.features.js_stacks);
    let records = finished.records()?;
    ensure!(records.iter().filter_map(tool::verdict).all(|verdict| verdict.sites.is_empty()));
    let refused = tool::run(&["--pid", &pid, "--stacks", "off", "--pprof", "/dev/null"])?;
    refused.expect(2)
}

/// Files that the tool may have open: too few for any probe, enough for all.
const FILES: Range<u32> = 50..120;

/// With one file fewer than it takes to attach everything, the probes on allocations are those that are missing: they
/// come last. The target is watched all the same.
#[test]
fn probes_on_allocations_that_are_refused_cost_the_stacks_alone() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running("stacks")?;
    let Range { start: mut refused, end: mut watched } = FILES;
    while watched - refused > 1 {
        let middle = refused.midpoint(watched);
        let is_watched = with_files(node.pid(), middle)?.code()? != 2;
        *(if is_watched { &mut watched } else { &mut refused }) = middle;
    }
    let finished = with_files(node.pid(), watched)?;
    finished.done()?;
    node.healthy()?;
    let state = &hello(&finished)?.features.js_stacks;
    let names_it = |reason: &String| reason.contains("alloc_") && reason.contains("Too many open files");
    ensure!(matches!(state, State::Off(reason) if names_it(reason)), "{watched} files: {state:?}");
    let records = finished.records()?;
    ensure!(
        records.iter().any(|record| matches!(record.body, Body::Gc(_))),
        "{watched} files: no collection"
    );
    Ok(())
}

/// It is loaded in a thread whose first call of bpf(2) that is; the first one of the others only asks what the kernel has.
#[test]
fn a_walk_that_the_verifier_refuses_costs_the_stacks_alone() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running("stacks")?;
    let mut strace = Command::new("strace");
    strace.args(["--quiet=all", "--follow-forks", "--output=/dev/null", "--trace=bpf"]);
    strace.arg("--inject=bpf:error=EPERM:when=1").arg(tool::binary()?);
    strace.args(["--pid", &node.pid().to_string(), "--native", "off", "--json"]);
    let mut tool = Tool::spawn(&mut strace).context("no strace: run `cargo xtask setup`")?;
    tool.attached(node.pid())?;
    let is_off = |record: &Record| match &record.body {
        Body::Feature(feature) => feature.name == "js_stacks" && feature.reason.contains("program stack"),
        _ => false,
    };
    tool.wait("the feature that is off", is_off)?;
    tool.wait("a collection", |record| tool::gc(record).is_some())?;
    node.healthy()
}

fn with_files(pid: u32, most: u32) -> Result<Finished> {
    let tool = tool::command()?;
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n {most}; exec \"$0\" \"$@\"")]).arg(tool.get_program());
    let variables = tool.get_envs().filter_map(|(name, value)| Some((name, value?)));
    shell.envs(variables).args(["--json", "--native", "off", "--duration", "1s", "--pid", &pid.to_string()]);
    Tool::spawn(&mut shell)?.finish()
}

/// A program that only allocates costs more than a hundredth of a percent of a CPU within any five seconds.
#[test]
fn stacks_that_cost_more_than_they_may_rest() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running("stacks")?;
    let pid = node.pid().to_string();
    let finished =
        tool::run(&["--pid", &pid, "--json", "--duration", "13s", "--budget", "0.01%", "--native", "off"])?;
    finished.done()?;
    node.healthy()?;
    let records = finished.records()?;
    let rests: Vec<&Governor> = records
        .iter()
        .filter_map(|record| match &record.body {
            Body::Governor(governor) if governor.mode == "stacks" => Some(governor),
            _ => None,
        })
        .collect();
    // It would cost less than it may in no five seconds: one phase fits in, and a rest as long as its price.
    let [rest] = rests.as_slice() else { bail!("{rests:?}") };
    ensure!(
        rest.cost_estimate_pct > rest.budget_pct && rest.coverage < 0.5 && rest.hit_rate_per_s > 1.0,
        "{rest:?}"
    );
    let backoffs = records.iter().find_map(|record| match &record.body {
        Body::Bye(bye) => Some(bye.target_overhead.backoffs),
        _ => None,
    });
    ensure!(backoffs == Some(1), "{backoffs:?}");
    Ok(())
}

fn judge(version: &str, flags: &[&str], marks: &Marks) -> Result<Judged> {
    let start = node::start(version, "stacks")?;
    let mut node = flags.iter().fold(start, |start, flag| start.flag(flag)).ready()?;
    let (finished, stacks) = profile(node.pid(), "4s")?;
    ensure!(hello(&finished)?.features.js_stacks == State::On, "{:?}", hello(&finished)?.features.js_stacks);
    node.healthy()?;
    Ok(marks.judge(&stacks))
}

/// Watches `pid` for a while: what was said, and the collapsed stacks.
pub(crate) fn profile(pid: u32, duration: &str) -> Result<(Finished, Vec<String>)> {
    let file = scratch::directory("stacks")?.join("collapsed");
    let (pid, path) = (pid.to_string(), file.display().to_string());
    let finished = tool::run(&["--pid", &pid, "--json", "--duration", duration, "--collapsed", &path])?;
    finished.done()?;
    let stacks = fs::read_to_string(&file)?.lines().map(str::to_owned).collect();
    Ok((finished, stacks))
}

pub(crate) fn hello(finished: &Finished) -> Result<Box<Hello>> {
    let records = finished.records()?;
    let hello = records.into_iter().find_map(|record| match record.body {
        Body::Hello(hello) => Some(hello),
        _ => None,
    });
    hello.context("no hello")
}

/// What a fixture's marks say: the functions and lines that may be on a stack, who calls whom from where, and which of
/// them allocate themselves.
pub(crate) struct Marks {
    file: String,
    functions: BTreeSet<String>,
    lines: BTreeMap<(String, u32), Option<String>>,
    allocating: BTreeSet<(String, u32)>,
}

/// Bytes of all stacks, of those that are complete, of those whose names are true, of those whose lines are too.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    total: u64,
    complete: u64,
    named: u64,
    placed: u64,
    functions: BTreeSet<String>,
    wrong: BTreeMap<String, u64>,
}

impl Marks {
    pub(crate) fn read(fixture: &str) -> Result<Self> {
        let path = node::fixture(fixture).canonicalize()?;
        let (mut functions, mut lines, mut allocating) = Default::default();
        for (line, number) in fs::read_to_string(&path)?.lines().zip(1..) {
            let Some((_, mark)) = line.split_once("//= ") else { continue };
            let both = mark.split_once(" >> ");
            let (function, callee) = both
                .or_else(|| mark.split_once(" > "))
                .map_or((mark, None), |(function, callee)| (function, Some(callee)));
            let place = (function.to_owned(), number);
            if both.is_some() || callee.is_none() {
                BTreeSet::insert(&mut allocating, place.clone());
            }
            BTreeSet::insert(&mut functions, function.to_owned());
            BTreeMap::insert(&mut lines, place, callee.map(str::to_owned));
        }
        Ok(Self { file: path.display().to_string(), functions, lines, allocating })
    }

    pub(crate) fn judge(&self, stacks: &[String]) -> Judged {
        let mut judged = Judged::default();
        for line in stacks {
            let Some((stack, bytes)) = line.rsplit_once(' ') else { continue };
            let bytes = bytes.parse().unwrap_or(0);
            // Before the program itself ran, or of Node's own.
            if !stack.contains(&self.file) {
                continue;
            }
            judged.total += bytes;
            if ["(more frames)", "(unreadable)", "(unknown)"].iter().any(|mark| stack.contains(mark)) {
                continue;
            }
            judged.complete += bytes;
            let frames: Vec<(&str, u32)> = stack.split(';').filter_map(|frame| self.frame(frame)).collect();
            judged.functions.extend(frames.iter().map(|(function, _)| (*function).to_owned()));
            let names = self.names_are_true(&frames);
            let lines = names && self.lines_are_true(&frames);
            judged.named += if names { bytes } else { 0 };
            judged.placed += if lines { bytes } else { 0 };
            if !lines {
                *judged.wrong.entry(stack.replace(&self.file, "")).or_default() += bytes;
            }
        }
        judged
    }

    /// Function and line of a frame in the fixture.
    fn frame<'a>(&self, frame: &'a str) -> Option<(&'a str, u32)> {
        let (function, rest) = frame.split_once(&self.file)?;
        Some((function.trim_end(), rest.trim_start_matches(':').parse().ok()?))
    }

    /// Each function is called by the one around it, from some line.
    fn names_are_true(&self, frames: &[(&str, u32)]) -> bool {
        let calls = |outer: &str, inner: &str| {
            self.lines
                .iter()
                .any(|((function, _), callee)| function == outer && callee.as_deref() == Some(inner))
        };
        frames.iter().all(|(function, _)| self.functions.contains(*function))
            && frames.windows(2).all(|pair| calls(pair[0].0, pair[1].0))
    }

    /// And from that very line.
    fn lines_are_true(&self, frames: &[(&str, u32)]) -> bool {
        let callee = |(function, line): (&str, u32)| self.lines.get(&(function.to_owned(), line));
        let outer = frames.windows(2).all(|pair| callee(pair[0]) == Some(&Some(pair[1].0.to_owned())));
        let allocates =
            |(function, line): &(&str, u32)| self.allocating.contains(&((*function).to_owned(), *line));
        outer && frames.last().is_none_or(allocates)
    }
}

impl Judged {
    #[expect(clippy::print_stdout, reason = "the figures of a run are what the report quotes")]
    pub(crate) fn hold(&self, version: &str, tier: &str, bar: f64) -> Result<()> {
        let share = |part: u64| part as f64 / self.total.max(1) as f64;
        let (complete, named, placed) = (share(self.complete), share(self.named), share(self.placed));
        println!(
            "{version} {tier}: {:.1} MB, complete {complete:.4}, names {named:.4}, lines {placed:.4}",
            self.total as f64 / 1e6
        );
        let what = || format!("Node {version}, {tier}: {self:#?}");
        // With a collection every few thousand allocations there is less.
        ensure!(self.total > 5_000_000 && self.functions.len() >= 12, "too little was seen: {}", what());
        // With the heap compacted all the time some functions may move faster than they are read; 1.00 of the bytes had true
        // names in nine runs on a busy machine.
        let known = if tier == "compacting" { 0.97 } else { 0.995 };
        ensure!(complete >= known, "{complete} complete; {}", what());
        ensure!(named >= known, "{named} with true names; {}", what());
        ensure!(placed >= bar, "{placed} with true lines; {}", what());
        Ok(())
    }
}

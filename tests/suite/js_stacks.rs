//! Stacks of JavaScript name the true functions and lines, in every tier of V8, and harm nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    machine, node, releases, scratch,
    tool::{self, Finished},
};
use memwatch_user::report::record::{Body, Hello, State};

/// The first release whose stacks are walked.
const FIRST: u32 = 18;
/// Before this release TurboFan's slow paths have no entries of their own in V8's tables: the line of the innermost
/// function, and which inlined one it is, may be a neighbour's.
const EXACT_LINES: u32 = 22;

/// What keeps V8 in one tier, by the first release that knows all of the flags.
const TIERS: [(&str, u32, &[&str]); 4] = [
    ("interpreter", 18, &["--no-opt", "--no-sparkplug"]),
    ("baseline", 18, &["--no-opt", "--always-sparkplug"]),
    ("maglev", 22, &["--maglev", "--no-turbofan"]),
    ("all", 18, &[]),
];

fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
}

#[test]
fn functions_and_lines_are_true_in_every_tier() -> Result<()> {
    let _machine = machine::shared();
    let marks = Marks::read("stacks")?;
    for version in releases::chosen().iter().filter(|version| major(version) >= FIRST) {
        for (tier, _, flags) in TIERS.iter().filter(|(_, since, _)| *since <= major(version)) {
            let judged = judge(version, flags, &marks).with_context(|| format!("Node {version}, {tier}"))?;
            judged.hold(version, tier)?;
        }
    }
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
fn profile(pid: u32, duration: &str) -> Result<(Finished, Vec<String>)> {
    let file = scratch::directory("stacks")?.join("collapsed");
    let (pid, path) = (pid.to_string(), file.display().to_string());
    let finished = tool::run(&["--pid", &pid, "--json", "--duration", duration, "--collapsed", &path])?;
    finished.done()?;
    let stacks = fs::read_to_string(&file)?.lines().map(str::to_owned).collect();
    Ok((finished, stacks))
}

fn hello(finished: &Finished) -> Result<Box<Hello>> {
    let records = finished.records()?;
    let hello = records.into_iter().find_map(|record| match record.body {
        Body::Hello(hello) => Some(hello),
        _ => None,
    });
    hello.context("no hello")
}

/// What a fixture's marks say: the functions and lines that may be on a stack, and who calls whom from where.
struct Marks {
    file: String,
    functions: BTreeSet<String>,
    lines: BTreeMap<(String, u32), Option<String>>,
}

/// Bytes of all stacks, of those that are complete, of those whose names are true, of those whose lines are too.
#[derive(Debug, Default)]
struct Judged {
    total: u64,
    complete: u64,
    named: u64,
    placed: u64,
    functions: BTreeSet<String>,
    wrong: BTreeMap<String, u64>,
}

impl Marks {
    fn read(fixture: &str) -> Result<Self> {
        let path = node::fixture(fixture).canonicalize()?;
        let (mut functions, mut lines) = (BTreeSet::new(), BTreeMap::new());
        for (line, number) in fs::read_to_string(&path)?.lines().zip(1..) {
            let Some((_, mark)) = line.split_once("//= ") else { continue };
            let (function, callee) =
                mark.split_once(" > ").map_or((mark, None), |(f, callee)| (f, Some(callee)));
            functions.insert(function.to_owned());
            lines.insert((function.to_owned(), number), callee.map(str::to_owned));
        }
        Ok(Self { file: path.display().to_string(), functions, lines })
    }

    fn judge(&self, stacks: &[String]) -> Judged {
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
        outer && frames.last().is_none_or(|innermost| callee(*innermost).is_some())
    }
}

impl Judged {
    #[expect(clippy::print_stdout, reason = "the figures of a run are what the report quotes")]
    fn hold(&self, version: &str, tier: &str) -> Result<()> {
        let share = |part: u64| part as f64 / self.total.max(1) as f64;
        let (complete, named, placed) = (share(self.complete), share(self.named), share(self.placed));
        println!(
            "{version} {tier}: {:.1} MB, complete {complete:.4}, names {named:.4}, lines {placed:.4}",
            self.total as f64 / 1e6
        );
        let what = || format!("Node {version}, {tier}: {self:#?}");
        ensure!(self.total > 20_000_000 && self.functions.len() >= 15, "too little was seen: {}", what());
        ensure!(complete >= 0.995, "{complete} complete; {}", what());
        ensure!(named >= 0.995, "{named} with true names; {}", what());
        let optimizes = tier == "all";
        let bar = if optimizes && major(version) < EXACT_LINES { 0.3 } else { 0.99 };
        ensure!(placed >= bar, "{placed} with true lines; {}", what());
        Ok(())
    }
}

//! `memwatch-recorder`: starts the programs of `tests/corpus`, watches each with the tool, and keeps what was seen and
//! said below `tests/lab/traces`; or asks what holds their heaps, and keeps the answers below `tests/lab/holders`.
//! `cargo xtask evaluate --record` calls it.

mod convert;
mod diff;
mod program;
mod records;
mod truth;
mod watch;

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use memwatch_lab::live::{
    case::{self, Case, Run},
    holders,
};

/// Between two starts: setting up Node and the tool takes a processor for about that long.
const BETWEEN: Duration = Duration::from_secs(1);

/// Watches the programs of tests/corpus.
#[derive(Parser)]
struct Args {
    /// Only the case of that name; several times for several.
    #[arg(long)]
    only: Vec<String>,
    /// Also what has a recording already.
    #[arg(long)]
    again: bool,
    /// What holds the heaps, by `heap diff`, instead of watches.
    #[arg(long)]
    heaps: bool,
    /// So many programs at a time. Most take 2 % of a processor, a few 10 %, and a leaky one has a twin.
    #[arg(long, default_value = "16")]
    at_once: usize,
}

/// Something that is to be recorded of a run.
#[derive(Clone, Copy)]
enum What {
    /// What a watch sees and says.
    Watch,
    /// What `heap diff` answers.
    Heap,
}

/// A recording that is to be made.
struct Job<'a> {
    what: What,
    case: &'a Case,
    run: Run,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let cases = case::all()?;
    for name in &args.only {
        ensure!(cases.iter().any(|case| case.name == *name), "no case `{name}` in tests/corpus");
    }
    let jobs = jobs(&cases, &args);
    say(&format!("{} programs, {} at a time", jobs.len(), args.at_once))?;
    let failed = record(&jobs, args.at_once);
    ensure!(failed == 0, "{failed} of {} could not be recorded", jobs.len());
    Ok(())
}

/// What there is to record, longest first.
fn jobs<'a>(cases: &'a [Case], args: &Args) -> Vec<Job<'a>> {
    let wanted = |case: &&Case| args.only.is_empty() || args.only.contains(&case.name);
    let what = if args.heaps { What::Heap } else { What::Watch };
    let of = |case: &'a Case| what.runs(case).into_iter().map(move |run| Job { what, case, run });
    let mut jobs: Vec<_> = cases.iter().filter(wanted).flat_map(of).collect();
    jobs.retain(|job| args.again || !job.file().exists());
    jobs.sort_by_key(|job| std::cmp::Reverse(job.case.attach_s + job.case.secs));
    jobs
}

/// Records all; how many failed.
fn record(jobs: &[Job<'_>], at_once: usize) -> usize {
    let (next, failed, start) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(()));
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    wait_for_turn(&start);
                    let outcome = job.make();
                    let fails = outcome.is_err() && !job.case.below_supported;
                    failed.fetch_add(usize::from(fails), Ordering::Relaxed);
                    report(&job.run, outcome);
                }
            });
        }
    });
    failed.into_inner()
}

fn wait_for_turn(start: &Mutex<()>) {
    let _turn = start.lock();
    thread::sleep(BETWEEN);
}

impl What {
    /// The runs of a case that it is recorded of.
    fn runs(self, case: &Case) -> Vec<Run> {
        match self {
            Self::Watch => case.runs().collect(),
            Self::Heap => case.heap_runs(),
        }
    }
}

impl Job<'_> {
    /// Where it is kept.
    fn file(&self) -> PathBuf {
        match self.what {
            What::Watch => self.run.trace(),
            What::Heap => holders::file(&self.run),
        }
    }

    /// Makes it; a word on it.
    fn make(&self) -> Result<String> {
        let (text, word) = match self.what {
            What::Watch => {
                let trace = watch::watch(self.case, &self.run)?;
                let leak = trace.verdicts().find(|(_, verdict)| verdict.level == "leak");
                let word = leak.map(|(at, verdict)| format!("{} leak at {at:.0} s", verdict.kind));
                (trace.to_text(), word.unwrap_or_else(|| "no leak".to_owned()))
            }
            What::Heap => {
                let answer = diff::ask(self.case, &self.run)?;
                let holder = answer.holders.first().map(|holder| holder.place.clone());
                (serde_json::to_string_pretty(&answer)?, holder.unwrap_or_else(|| "no holder".to_owned()))
            }
        };
        keep(&self.file(), &text)?;
        Ok(word)
    }
}

fn keep(to: &Path, text: &str) -> Result<()> {
    let partial = to.with_extension("partial");
    fs::create_dir_all(to.parent().context("recordings have a folder")?)?;
    fs::write(&partial, text).and_then(|()| fs::rename(&partial, to))?;
    Ok(())
}

fn report(run: &Run, outcome: Result<String>) {
    let line = match outcome {
        Ok(word) => format!("ok: {}: {word}", run.name()),
        Err(error) => format!("failed: {}: {error:#}", run.name()),
    };
    // Without a terminal to read it there is nobody to tell.
    drop(say(&line));
}

fn say(line: &str) -> Result<()> {
    Ok(writeln!(io::stderr(), "{line}")?)
}

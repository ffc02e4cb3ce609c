//! `memwatch-recorder`: starts the programs of `tests/corpus`, watches each with the tool, and keeps what was seen and
//! said below `tests/lab/traces`. `cargo xtask evaluate --record` calls it.

mod convert;
mod program;
mod records;
mod truth;
mod watch;

use std::{
    fs,
    io::{self, Write as _},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use memwatch_lab::live::case::{self, Case, Run};

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
    /// So many programs at a time. Most take 2 % of a processor, a few 10 %, and a leaky one has a twin.
    #[arg(long, default_value = "16")]
    at_once: usize,
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
fn jobs<'a>(cases: &'a [Case], args: &Args) -> Vec<(&'a Case, Run)> {
    let wanted = |case: &&Case| args.only.is_empty() || args.only.contains(&case.name);
    let runs = cases.iter().filter(wanted).flat_map(|case| case.runs().map(move |run| (case, run)));
    let mut jobs: Vec<_> = runs.filter(|(_, run)| args.again || !run.trace().exists()).collect();
    jobs.sort_by_key(|(case, _)| std::cmp::Reverse(case.attach_s + case.secs));
    jobs
}

/// Records all; how many failed.
fn record(jobs: &[(&Case, Run)], at_once: usize) -> usize {
    let (next, failed, start) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(()));
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some((case, run)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    wait_for_turn(&start);
                    let outcome = one(case, run);
                    let fails = outcome.is_err() && !case.below_supported;
                    failed.fetch_add(usize::from(fails), Ordering::Relaxed);
                    report(run, outcome);
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

/// Records one; a word on it.
fn one(case: &Case, run: &Run) -> Result<String> {
    let trace = watch::watch(case, run)?;
    let to = run.trace();
    let partial = to.with_extension("partial");
    fs::create_dir_all(to.parent().context("traces have a folder")?)?;
    fs::write(&partial, trace.to_text()).and_then(|()| fs::rename(&partial, &to))?;
    let leak = trace.verdicts().find(|(_, verdict)| verdict.level == "leak");
    Ok(leak.map_or("no leak".to_owned(), |(at, verdict)| format!("{} leak at {at:.0} s", verdict.kind)))
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

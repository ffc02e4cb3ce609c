//! `cargo xtask evaluate`: how good the verdicts are, as a page.

use std::env;

use anyhow::Result;

use crate::{cargo, repo, run, setup};

/// What it writes.
const PAGE: &str = "docs/detection.md";

/// Options of `evaluate`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write the page there instead.
    #[arg(long, default_value = PAGE)]
    to: String,
    /// Only this share of the seeds, for a quick look.
    #[arg(long, default_value = "1")]
    share: String,
    /// First watch the programs of tests/corpus, and keep what was seen. Needs root, Node, npm, and an hour.
    #[arg(long)]
    record: bool,
    #[command(flatten)]
    recording: Recording,
}

/// What is recorded, and how.
#[derive(clap::Args)]
#[group(requires = "record")]
struct Recording {
    /// Only the case of that name; several times for several.
    #[arg(long)]
    only: Vec<String>,
    /// Also what has a recording already.
    #[arg(long)]
    again: bool,
    /// What holds the heaps of the programs, by `heap diff`, instead of watches.
    #[arg(long)]
    heaps: bool,
    /// So many programs at a time.
    #[arg(long)]
    at_once: Option<String>,
}

/// Runs the lab. It needs no eBPF object, nor root, nor Node, unless it is to record.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.record {
        record(&args.recording)?;
    }
    let lab = cargo::cargo().args(["run", "--release", "--package", "memwatch-lab", "--"]);
    lab.args([&args.to, &args.share]).run()
}

/// Watches with `$MEMWATCH_BIN`, or a release build of the tree.
fn record(args: &Recording) -> Result<()> {
    run::say(&format!("ok: programs to watch: {}", setup::corpus()?));
    let recorder = cargo::cargo().args(["run", "--package", "memwatch-recorder", "--"]);
    let recorder = args.only.iter().fold(recorder, |recorder, case| recorder.args(["--only", case]));
    let recorder = recorder.args(args.again.then_some("--again")).args(args.heaps.then_some("--heaps"));
    let recorder = match &args.at_once {
        Some(number) => recorder.args(["--at-once", number]),
        None => recorder,
    };
    let binary = match env::var_os("MEMWATCH_BIN") {
        Some(binary) => binary.into(),
        None => cargo::build_shipped(&[]).map(|()| repo::shipped_binary())?,
    };
    recorder.env("MEMWATCH_BIN", binary).run()
}

//! `cargo xtask evaluate`: how good the verdicts are, as a page.

use anyhow::Result;

use crate::cargo;

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
}

/// Runs the lab. It needs no eBPF object, nor root, nor Node.
pub(crate) fn run(args: &Args) -> Result<()> {
    let lab = cargo::cargo().args(["run", "--release", "--package", "memwatch-lab", "--"]);
    lab.args([&args.to, &args.share]).run()
}

//! `cargo xtask vm-test`: the core tests inside a virtual machine that runs another kernel.
//!
//! The guest is Debian's own kernel and an initramfs of a few modules and busybox; its root is the host's, read-only
//! over 9p, with a layer in memory on top, so that what was built here runs there under the same paths.

mod archive;
mod guest;
mod initramfs;
mod kernel;
mod qemu;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::run::{complain, say};
use crate::{cargo, repo, setup};
pub(crate) use archive::Archive;
use guest::Guest;
use kernel::Series;
use qemu::Accel;

/// The oldest that is supported, the two newest of Debian's long-lived ones, and whatever is newest.
const ALL: [&str; 4] = ["5.10", "6.1", "6.12", "newest"];

/// Options of `vm-test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Series of the kernel, for instance 6.1, or `newest`; several are run in turn. All that are supported if absent.
    #[arg(long, value_name = "SERIES")]
    kernel: Vec<Series>,
    /// What executes the guest's instructions: `auto` takes KVM if a guest boots with it.
    #[arg(long, value_enum, default_value_t = Accel::Tcg)]
    accel: Accel,
    /// Run this shell command in the guest, instead of the tests.
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// Seconds after which a guest is given up.
    #[arg(long, default_value_t = 900)]
    timeout: u64,
}

impl Args {
    /// As on the command line, with a kernel and nothing else.
    pub(crate) fn for_kernel(series: &str) -> Result<Self> {
        let kernel = vec![series.parse().map_err(anyhow::Error::msg)?];
        Ok(Self { kernel, accel: Accel::Tcg, exec: None, timeout: 900 })
    }
}

/// Runs the tests, or the command, under each kernel. Fails when any of them does, after all of them.
pub(crate) fn run(args: &Args) -> Result<()> {
    let command = match &args.exec {
        Some(command) => command.clone(),
        None => core_tests()?,
    };
    let qemu = qemu::find_or_install()?;
    let archive = Archive::open()?;
    let all =
        ALL.iter().map(|series| series.parse().map_err(anyhow::Error::msg)).collect::<Result<Vec<_>>>()?;
    let mut results = Vec::new();
    for series in if args.kernel.is_empty() { &all } else { &args.kernel } {
        let began = Instant::now();
        let outcome =
            boot(&qemu, &archive, series, args, &command).with_context(|| format!("kernel {series}"));
        results.push((series, outcome, began.elapsed()));
    }
    summarise(&results)
}

fn boot(qemu: &qemu::Qemu, archive: &Archive, series: &Series, args: &Args, command: &str) -> Result<()> {
    let kernel = kernel::fetch(archive, series)?;
    say(&format!("guest: {}", kernel.name));
    let script = guest::Script::write(command)?;
    let guest = Guest { kernel: &kernel, script: script.path(), timeout: Duration::from_secs(args.timeout) };
    let accel = qemu.choose(args.accel, &kernel)?;
    let status = qemu.run(&guest, accel)?;
    ensure!(status == 0, "the guest's command ended with status {status}");
    Ok(())
}

/// Builds what the tests run, and says how the guest starts them.
fn core_tests() -> Result<String> {
    setup::run(&setup::Args {})?;
    cargo::build_shipped(&[])?;
    let suite = cargo::build_suite()?;
    // Emulated, everything takes about thirty times as long (measured: Node's start 35, a collection 25).
    let settings =
        format!("MEMWATCH_VM=1 MEMWATCH_PATIENCE=30 MEMWATCH_BIN='{}'", repo::shipped_binary().display());
    Ok(format!("{settings} '{}' core:: --test-threads=1", suite.display()))
}

fn summarise(results: &[(&Series, Result<()>, Duration)]) -> Result<()> {
    for (series, outcome, took) in results {
        match outcome {
            Ok(()) => say(&format!("ok      {series:<8} {:6.1} s", took.as_secs_f64())),
            Err(error) => complain(&format!("FAILED  {series:<8} {:6.1} s  {error:#}", took.as_secs_f64())),
        }
    }
    let failed = results.iter().filter(|(_, outcome, _)| outcome.is_err()).count();
    if failed > 0 {
        bail!("{failed} of {} kernels failed", results.len());
    }
    Ok(())
}

//! `cargo xtask ci`: what CI runs, in its order. It stops at the first failure, and always ends with a table of times.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::cargo::{cargo, looking};
use crate::run::{cmd, say};
use crate::toolchain::Toolchain;
use crate::{dist, repo, setup, test, tidy, vm};

/// The kernel of the virtual machine in `ci`; the others are for `vm-test`, and run every night.
const VM_KERNEL: &str = "6.1";

/// Options of `ci`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the steps with these names.
    steps: Vec<String>,
}

struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: [Step; 9] = [
    Step { name: "setup", run: || setup::run(&setup::Args {}) },
    Step { name: "fmt", run: fmt },
    Step { name: "tidy", run: || tidy::run(&tidy::Args {}) },
    Step { name: "clippy", run: clippy_host },
    Step { name: "clippy-bpf", run: clippy_bpf },
    Step { name: "doc", run: doc },
    Step { name: "dist", run: || dist::run(&dist::Args {}) },
    Step { name: "test", run: || test::run(&test::Args::default()) },
    Step { name: "vm-test", run: || vm::run(&vm::Args::for_kernel(VM_KERNEL)?) },
];

/// Runs the steps.
pub(crate) fn run(args: &Args) -> Result<()> {
    for name in &args.steps {
        let known = STEPS.iter().map(|step| step.name).collect::<Vec<_>>();
        anyhow::ensure!(known.contains(&name.as_str()), "no step `{name}`; there are {}", known.join(", "));
    }
    let wanted =
        STEPS.iter().filter(|step| args.steps.is_empty() || args.steps.iter().any(|name| name == step.name));
    let mut times = Vec::new();
    let mut outcome = Ok(());
    for step in wanted {
        say(&format!("== {}", step.name));
        let began = Instant::now();
        outcome = (step.run)().with_context(|| format!("step `{}`", step.name));
        times.push((step.name, outcome.is_ok(), began.elapsed()));
        if outcome.is_err() {
            break;
        }
    }
    print_table(&times);
    outcome
}

fn print_table(times: &[(&str, bool, Duration)]) {
    say("== times");
    for (name, passed, took) in times {
        say(&format!("{:<8}{name:<12}{:8.1} s", if *passed { "ok" } else { "FAILED" }, took.as_secs_f64()));
    }
    let total: Duration = times.iter().map(|(_, _, took)| took).sum();
    say(&format!("{:<20}{:8.1} s", "total", total.as_secs_f64()));
}

fn fmt() -> Result<()> {
    cargo().args(["fmt", "--all", "--check"]).run()
}

/// Everything but the kernel side, which is for another target and another toolchain.
fn clippy_host() -> Result<()> {
    let clippy =
        ["clippy", "--workspace", "--exclude", "memwatch-ebpf", "--all-targets", "--", "-D", "warnings"];
    looking().args(clippy).run()
}

/// The kernel side, as it is compiled: a build for the host would see `core` and pointers of another machine.
fn clippy_bpf() -> Result<()> {
    let toolchain = Toolchain::installed().context("no eBPF toolchain")?;
    let clippy = cmd("rustup").args(["run", toolchain.name(), "cargo", "clippy"]);
    let clippy = match toolchain.bootstrap() {
        Some(value) => clippy.env("RUSTC_BOOTSTRAP", value),
        None => clippy.args(["-Z", "build-std=core"]),
    };
    clippy
        .args(["--package", "memwatch-ebpf", "--target", "bpfel-unknown-none", "--release"])
        .arg("--target-dir")
        .arg(repo::root().join("target/bpf"))
        .args(["--", "-D", "warnings"])
        // Ours are of the toolchain that runs this program.
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .dir(repo::root())
        .run()
}

/// The documentation is for those who work on the code: it has private items, and links to them.
fn doc() -> Result<()> {
    let doc = ["doc", "--workspace", "--exclude", "memwatch-ebpf", "--no-deps", "--document-private-items"];
    looking().args(doc).env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links").run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_step_is_refused_before_anything_runs() {
        let error = run(&Args { steps: vec!["tset".to_owned()] }).unwrap_err().to_string();
        assert!(error.contains("no step `tset`") && error.contains("vm-test"), "{error}");
    }
}

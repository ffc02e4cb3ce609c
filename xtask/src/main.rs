//! `cargo xtask <verb>`: the project's chores. One file (or folder) a verb; a verb is an `Args` and a `run`.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod bench;
mod bless;
mod cargo;
mod ci;
mod demo;
mod dist;
mod evaluate;
mod examples;
mod repo;
mod run;
mod setup;
mod test;
mod tidy;
mod toolchain;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Bring whatever the build and the tests need and this machine lacks.
    Setup(setup::Args),
    /// Catch a leak: `setup`, a release build, and the tool's own `demo`.
    Demo(demo::Args),
    /// Run all tests: `setup`, a release build, those that need nothing, then those that need root and a real Node.
    Test(test::Args),
    /// Run the core tests inside a virtual machine with another kernel.
    VmTest(vm::Args),
    /// Everything CI runs, in its order; a change is ready when this passes.
    Ci(ci::Args),
    /// Check what rustfmt and clippy do not: structure, words, links, licences.
    Tidy(tidy::Args),
    /// Measure, and write docs/performance.md.
    Bench(bench::Args),
    /// Write the golden files anew from what the code does now.
    Bless(bless::Args),
    /// Run the tool and write the examples of the documentation anew from what it says.
    Examples(examples::Args),
    /// Judge the detector and others on simulated heaps, and write docs/detection.md.
    Evaluate(evaluate::Args),
    /// Pack a release: a static binary with its man pages, completions, README and licences, and its line tables apart.
    Dist(dist::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Setup(args) => setup::run(&args),
        Verb::Demo(args) => demo::run(&args),
        Verb::Test(args) => test::run(&args),
        Verb::VmTest(args) => vm::run(&args),
        Verb::Ci(args) => ci::run(&args),
        Verb::Tidy(args) => tidy::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Bless(args) => bless::run(&args),
        Verb::Examples(args) => examples::run(&args),
        Verb::Evaluate(args) => evaluate::run(&args),
        Verb::Dist(args) => dist::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::complain(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

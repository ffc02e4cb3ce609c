//! `cargo xtask bless`: golden files are written by the tests that read them, when `MEMWATCH_BLESS=1`.

use anyhow::Result;

use crate::run::say;
use crate::{cargo, repo};

/// Options of `bless`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the tests whose name contains this.
    name: Option<String>,
}

/// The tests of the suite that read golden files: they need no rights and no Node.
const SUITE: [&str; 6] = ["test", "--package", "memwatch-tests", "--test", "suite", "help_of_every_command"];

/// Runs the tests in blessing mode; what changed is for git, and for a person, to see.
pub(crate) fn run(args: &Args) -> Result<()> {
    let blessing = || cargo::cargo().env("MEMWATCH_BLESS", "1");
    blessing().arg("test").args(&args.name).run()?;
    if args.name.is_none() {
        blessing().args(SUITE).run()?;
    }
    let changed = crate::run::cmd("git").args(["status", "--short"]).dir(repo::root()).ask()?;
    say("now look at what changed before committing it:");
    say(changed.trim_end());
    Ok(())
}

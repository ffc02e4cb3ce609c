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

/// Runs the tests in blessing mode; what changed is for git, and for a person, to see.
pub(crate) fn run(args: &Args) -> Result<()> {
    cargo::cargo().arg("test").args(&args.name).env("MEMWATCH_BLESS", "1").run()?;
    let changed = crate::run::cmd("git").args(["status", "--short"]).dir(repo::root()).ask()?;
    say("now look at what changed before committing it:");
    say(changed.trim_end());
    Ok(())
}

//! `cargo xtask test`: every test that this machine can run.

use anyhow::Result;

use crate::run::{Cmd, cmd, is_root};
use crate::{cargo, repo, setup};

/// Options of `test`.
#[derive(Default, clap::Args)]
pub(crate) struct Args {
    /// Run the slow matrices too: every Node release, a hundred cycles of each kind.
    #[arg(long)]
    full: bool,
    /// Only the tests that need a kernel and a real Node whose name contains this.
    #[arg(long)]
    only: Option<String>,
}

/// Brings what is missing, builds the release binary that the tests run, and runs the tests.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::run(&setup::Args {})?;
    cargo::build_shipped(&[])?;
    if is_root() {
        return with_settings(cargo::test_all(args.only.is_some()).args(args.only.as_deref()), args).run();
    }
    // A cargo that runs as root leaves a `target` that its owner cannot write to: only the tests that need root get it.
    if args.only.is_none() {
        cargo::cargo().arg("test").run()?;
    }
    let suite = cmd("sudo").arg("-E").arg(cargo::build_suite()?).interactive();
    with_settings(suite.args(args.only.as_deref()), args).run()
}

fn with_settings(cmd: Cmd, args: &Args) -> Cmd {
    // Node warns about, and allocates a lot for, whatever certificates the environment names.
    let cmd = cmd.env("MEMWATCH_BIN", repo::shipped_binary()).env_remove("NODE_EXTRA_CA_CERTS");
    // What `setup` brings is there: that it is missing is no reason to skip a test.
    let cmd = cmd.env("MEMWATCH_SET_UP", "1");
    if args.full { cmd.env("MEMWATCH_FULL", "1") } else { cmd }
}

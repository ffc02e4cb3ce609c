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
    cargo::build_release()?;
    if args.only.is_none() {
        cargo::cargo().arg("test").run()?;
    }
    with_settings(suite(args.only.as_deref())?, args).run()
}

/// The tests that need root: by cargo, or, for anyone else, their program alone by sudo, since a cargo that runs as
/// root leaves a `target` that its owner cannot write to.
fn suite(only: Option<&str>) -> Result<Cmd> {
    let cmd = if is_root() {
        cargo::cargo().args(["test", "--package", "memwatch-tests", "--"])
    } else {
        cmd("sudo").arg("-E").arg(cargo::build_suite()?).interactive()
    };
    Ok(cmd.args(only))
}

fn with_settings(cmd: Cmd, args: &Args) -> Cmd {
    // Node warns about, and allocates a lot for, whatever certificates the environment names.
    let cmd = cmd.env("MEMWATCH_BIN", repo::release_binary()).env_remove("NODE_EXTRA_CA_CERTS");
    if args.full { cmd.env("MEMWATCH_FULL", "1") } else { cmd }
}

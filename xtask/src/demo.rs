//! `cargo xtask demo`: a newcomer's second command.

use anyhow::Result;

use crate::run::{cmd, is_root};
use crate::{cargo, repo, setup};

/// The exit status of a watch that found a leak: what the demo is for.
const LEAK: i32 = 1;

/// Options of `demo`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Given to `memwatch-bpf demo` as they are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Brings what is missing, builds, and runs `memwatch-bpf demo`.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::run(&setup::Args {})?;
    cargo::build_shipped(&[])?;
    let demo = if is_root() {
        cmd(repo::shipped_binary())
    } else {
        cmd("sudo").arg("-E").arg(repo::shipped_binary())
    };
    demo.arg("demo").args(&args.rest).interactive().run_to(LEAK)
}

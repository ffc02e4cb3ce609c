//! Writes the man pages and the completions for shells into the directory that is named: `cargo xtask dist` packs them.

use std::{env, fs, path::PathBuf};

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::{
    generate_to,
    shells::{Bash, Fish, Zsh},
};
use memwatch_user::cli::args::Cli;

fn main() -> Result<()> {
    let to = PathBuf::from(env::args_os().nth(1).context("usage: manual DIRECTORY")?);
    let [completions, pages] = ["completions", "man"].map(|name| to.join(name));
    for directory in [&completions, &pages] {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    }
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    generate_to(Bash, &mut command, &name, &completions)?;
    generate_to(Fish, &mut command, &name, &completions)?;
    generate_to(Zsh, &mut command, &name, &completions)?;
    clap_mangen::generate_to(command, &pages).context("cannot write the man pages")
}

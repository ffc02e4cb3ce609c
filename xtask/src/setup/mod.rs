//! `cargo xtask setup`: brings whatever the build and the tests need and this machine lacks.
//!
//! Every part says `ok: …` when it is there, or `installing: …` before it changes anything. What cannot be brought is
//! one line each that says what to do; the parts after it are still looked at, so that one run lists everything.

mod apt;
mod builds;
mod corpus;
mod deno;
mod host;
mod linker;
mod nodes;
mod packages;
mod place;
mod rust;

use anyhow::{Result, bail};

use crate::run::{complain, say};

pub(crate) use apt::Apt;
pub(crate) use corpus::corpus;

/// Options of `setup`.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// A name, and what brings it and says what there is now.
type Part = (&'static str, fn() -> Result<String>);

/// Brings what is missing. Fails when something still is.
pub(crate) fn run(_: &Args) -> Result<()> {
    let parts: [Part; 10] = [
        ("build tools", host::build_tools),
        ("strace", host::strace),
        ("Go", host::go),
        ("Node", host::node),
        ("eBPF toolchain", rust::toolchain),
        ("bpf-linker", linker::bpf_linker),
        ("Node releases", nodes::releases),
        ("Deno", deno::deno),
        ("other builds of Node", builds::builds),
        ("packages", packages::of_servers),
    ];
    let missing = parts.iter().filter(|(name, part)| !report(name, &part())).count();
    if missing > 0 {
        bail!("{missing} of the above could not be set up");
    }
    rust::note_choice()
}

fn report(name: &str, part: &Result<String>) -> bool {
    match part {
        Ok(what) => say(&format!("ok: {name}: {what}")),
        Err(error) => complain(&format!("missing: {name}: {error:#}")),
    }
    part.is_ok()
}

/// Says what is about to be changed.
fn installing(what: &str) {
    say(&format!("installing: {what}"));
}

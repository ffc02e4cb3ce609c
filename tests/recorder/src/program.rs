//! How a program of `tests/corpus` is started.

use std::path::PathBuf;

use anyhow::Result;
use memwatch_lab::live::case::{Case, Run, corpus};
use memwatch_tests::{node::Start, releases, scratch, workspace};

/// The run's program, ready to be started; `settings` are variables of its environment.
pub(crate) fn program(case: &Case, run: &Run, settings: &[(&str, String)]) -> Result<Start> {
    let installed = workspace().join(".cache/corpus");
    let own = |name: &str, path: PathBuf| (name.to_owned(), path.display().to_string());
    let paths = [
        own("NODE_PATH", installed.join(&case.name).join("node_modules")),
        own("MEMWATCH_ADDONS", installed.join("addons")),
        own("TMPDIR", scratch::directory(&case.name)?),
    ];
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let words: Vec<String> =
        paths.into_iter().chain(settings).map(|(name, value)| format!("{name}={value}")).collect();
    let env: Vec<&str> = ["env"].into_iter().chain(words.iter().map(String::as_str)).collect();
    let start = Start::new(releases::node(&run.node)?, corpus().join(&case.name).join("driver.js"));
    let start = start.under(&env).argument(&run.variant);
    Ok(case.flags.iter().fold(start, |start, flag| start.flag(flag)))
}

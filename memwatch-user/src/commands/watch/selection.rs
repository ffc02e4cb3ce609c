//! From the command line to a selection of processes.

use anyhow::{Context as _, Result};

use crate::{
    cli::job::{Watch, Whom},
    engine::TargetSelection,
    target::{Selector, text::printable},
};

/// The processes that the command line asks for.
pub(super) fn selection(watch: &Watch) -> Result<TargetSelection> {
    let selector = match &watch.whom {
        Whom::Pids(pids) => Selector::Pids(pids.clone()),
        Whom::Name(glob) => {
            Selector::name(glob).with_context(|| format!("--name {}: not a pattern", glob.escape_debug()))?
        }
        Whom::All => Selector::All,
        Whom::Container(id) => Selector::Container(id.clone()),
        Whom::Command(_) => Selector::Pids(Vec::new()),
    };
    let children = watch.children || matches!(watch.whom, Whom::Command(_));
    Ok(TargetSelection::new(selector, children, matches!(watch.whom, Whom::Pids(_)), asked(&watch.whom)))
}

/// What was asked for, fit to be shown.
fn asked(whom: &Whom) -> String {
    match whom {
        Whom::Name(glob) => format!("--name '{}'", printable(glob.as_bytes())),
        Whom::Container(id) => format!("--container {id}"),
        Whom::All => "--all".to_owned(),
        Whom::Pids(_) | Whom::Command(_) => "the command line".to_owned(),
    }
}

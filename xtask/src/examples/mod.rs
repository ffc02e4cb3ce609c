//! `cargo xtask examples`: runs the tool beside real processes, and writes what it says into the pages that show it.
//!
//! Each block of output in [`PAGES`] names its example on the line above ([`blocks`]), and each example is made by a scene below.
//! `cargo xtask tidy` checks that there is no block without an origin.

pub(crate) mod blocks;
mod ends;
mod heap;
mod records;
mod stage;
mod storm;
mod watch;

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result, ensure};

use self::stage::Stage;
use crate::repo;
use crate::run::say;

/// Pages that show output.
pub(crate) const PAGES: [&str; 3] = ["README.md", "docs/heap.md", "docs/json.md"];

/// All examples.
pub(crate) const NAMES: [&str; 20] = [
    "heap",
    "heap-diff",
    "heap-paths",
    "heap-find",
    "verdict",
    "record-hello",
    "record-isolate",
    "record-feature",
    "record-gc",
    "record-stats",
    "record-starts",
    "record-memory",
    "record-heap",
    "record-leak",
    "record-verdict",
    "record-governor",
    "record-end",
    "record-loss",
    "record-missed",
    "record-bye",
];

/// What came of a scene: examples by name.
type Examples = BTreeMap<&'static str, String>;

/// Something that is done to real processes, and what the tool says of it.
struct Scene {
    name: &'static str,
    play: fn(&Stage) -> Result<Examples>,
}

const SCENES: [Scene; 4] = [
    Scene { name: "heap", play: heap::play },
    Scene { name: "watch", play: watch::play },
    Scene { name: "storm", play: storm::play },
    Scene { name: "ends", play: ends::play },
];

/// Options of `examples`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these scenes: heap, watch, storm, ends.
    scenes: Vec<String>,
}

/// Plays the scenes. What changed in the pages is for git, and for a person, to see.
pub(crate) fn run(args: &Args) -> Result<()> {
    let is_known = |name: &String| SCENES.iter().any(|scene| scene.name == name);
    ensure!(args.scenes.iter().all(is_known), "no such scene; see --help");
    let is_wanted =
        |scene: &&Scene| args.scenes.is_empty() || args.scenes.iter().any(|name| name == scene.name);
    let mut examples = Examples::new();
    for scene in SCENES.iter().filter(is_wanted) {
        say(&format!("== {}", scene.name));
        let played = (scene.play)(&Stage::new()?).with_context(|| format!("scene `{}`", scene.name))?;
        examples.extend(played);
    }
    PAGES.iter().try_for_each(|page| write(page, &examples))
}

fn write(page: &str, examples: &Examples) -> Result<()> {
    let path = repo::root().join(page);
    let before = fs::read_to_string(&path).with_context(|| format!("cannot read {page}"))?;
    let after = blocks::rewrite(&before, examples);
    if after != before {
        fs::write(&path, after).with_context(|| format!("cannot write {page}"))?;
        say(&format!("{page} has changed"));
    }
    Ok(())
}

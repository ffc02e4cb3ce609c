//! `cargo xtask bench`: measures, and writes docs/performance.md. Every figure of that page comes from here.
//!
//! One file a section of the page: [`attach`], [`http`], [`batch`], [`hit`], [`own`], [`fleet`], [`stacks`], [`native`],
//! [`heap`]. What they share: [`peer`] and [`tool`] are what is measured, [`node`] whom it is measured on and [`requests`] with what,
//! [`pairs`] alternates and compares, [`page`] writes.

mod attach;
mod batch;
mod bpf_stats;
pub(crate) mod child;
mod copies;
mod fleet;
mod footprint;
mod heap;
mod hit;
mod http;
mod machine;
mod native;
pub(crate) mod node;
mod own;
mod page;
mod pairs;
mod peer;
mod pipeline;
mod requests;
mod stacks;
mod stats;
mod took;
mod tool;
mod traffic;

use std::cell::OnceCell;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use self::page::Section;
use crate::run::{is_root, say};
use crate::setup::{self, Apt};
use crate::{cargo, repo};

/// What the bench compares with and measures by, beside what `setup` brings.
const PACKAGES: [&str; 2] = ["bpftrace", "wrk"];

/// Options of `bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the section of this name: attach, http, batch, hit, own, fleet, stacks, native or heap.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// How often each thing is measured; fewer than five give no interval to speak of.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Write docs/performance.md; with --only, this section of it.
    #[arg(long)]
    write: bool,
    /// So many processes in each fleet of the section `fleet`, instead of 100 and as many as have room.
    #[arg(long, value_name = "COUNT")]
    fleet: Option<usize>,
    /// Measure what takes half an hour for half an hour.
    #[arg(long)]
    full: bool,
}

/// A name, and what measures and writes the section.
type Part = (&'static str, fn(&Bench) -> Result<Section>);

const PARTS: [Part; 9] = [
    ("attach", attach::section),
    ("http", http::section),
    ("batch", batch::section),
    ("hit", hit::section),
    ("own", own::section),
    ("fleet", fleet::section),
    ("stacks", stacks::section),
    ("native", native::section),
    ("heap", heap::section),
];

/// What the sections share.
struct Bench {
    rounds: usize,
    /// Plans are kept here from one attach to the next, and nobody's real cache is touched.
    cache: PathBuf,
    hit: OnceCell<hit::Cost>,
    /// Processes in a fleet, if a number was given.
    fleet: Option<usize>,
    full: bool,
}

/// Brings what is missing, builds, measures, prints, and writes the page if told to.
pub(crate) fn run(args: &Args) -> Result<()> {
    let parts = wanted(args.only.as_deref())?;
    ensure!(args.rounds > 0, "--rounds must be at least 1");
    setup::run(&setup::Args {})?;
    ensure!(is_root(), "attaching needs root; run: sudo -E cargo xtask bench");
    Apt::default().install(&PACKAGES, &[])?;
    cargo::build_shipped(&[])?;
    let bench = Bench {
        rounds: args.rounds,
        cache: fresh_directory("cache")?,
        hit: OnceCell::new(),
        fleet: args.fleet,
        full: args.full,
    };
    let date = machine::date()?;
    let mut sections = Vec::new();
    for (name, measure) in parts {
        say(&format!("== {name}"));
        let processors = machine::Processors::now();
        let section = measure(&bench).with_context(|| format!("section `{name}`"))?;
        let stolen = processors.stolen_pct();
        let section = section
            .says(&format!("{date}, {} rounds; the host kept {stolen:.1} % of the processors.", args.rounds));
        say(&section.text());
        sections.push(section);
    }
    if args.write { page::write(&sections, &PARTS.map(|(name, _)| name)) } else { Ok(()) }
}

fn wanted(only: Option<&str>) -> Result<Vec<Part>> {
    let parts: Vec<Part> =
        PARTS.into_iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    let names = PARTS.map(|(name, _)| name).join(", ");
    ensure!(!parts.is_empty(), "no section `{}`; there are {names}", only.unwrap_or_default());
    Ok(parts)
}

/// An empty directory of that name below `target/bench`.
fn fresh_directory(name: &str) -> Result<PathBuf> {
    let path = repo::root().join("target/bench").join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_section_is_refused_before_anything_runs() {
        let error = wanted(Some("atach")).unwrap_err().to_string();
        assert!(error.contains("no section `atach`") && error.contains("attach, http"), "{error}");
        assert_eq!(wanted(Some("hit")).unwrap().len(), 1);
        assert_eq!(wanted(None).unwrap().len(), PARTS.len());
    }
}

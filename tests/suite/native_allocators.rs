//! Who holds the memory of malloc where a preloaded library serves it: the same addon as with glibc, in the same words.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    machine, native,
    node::{self, Node},
    patience, releases,
};
use memwatch_user::{native::Mode, target::process};

use super::native_memory::{Counted, Watched, beside, each_leak, kernel};

const ALL: [&str; 3] = ["libjemalloc", "libmimalloc", "libtcmalloc"];
/// Those whose blocks are sampled.
const SAMPLED: [&str; 2] = ["libmimalloc", "libtcmalloc"];

/// The fixture with the addon under `allocator`, doing `works`.
fn start(allocator: &str, works: &[&str]) -> Result<Node> {
    let preload = format!("LD_PRELOAD={}", native::allocator(allocator)?.display());
    let addon = native::build(&["addon"], &["-g", "-shared", "-fPIC"])?;
    let start =
        node::start(releases::USUAL, "native_memory")?.argument(addon.to_str().context("a path of UTF-8")?);
    works.iter().fold(start, |start, work| start.argument(work)).under(&["env", &preload]).ready()
}

fn watched(node: Node, mode: Mode) -> Result<Watched> {
    let pid = node.pid();
    Watched::follow(node, pid, mode, kernel())
}

#[test]
fn every_block_of_a_preloaded_allocator_is_counted_once() -> Result<()> {
    let _machine = machine::shared();
    for allocator in ALL {
        let mut node = start(allocator, &[])?;
        node.tell("cache 1000")?;
        node.said("cached")?;
        let mut watched = watched(node, Mode::Full)?;
        watched.known(patience(), |known| known.outstanding.is_some());
        watched.counts_each_block_once(Counted::Asked).context(allocator)?;
        watched.tracker.stop();
    }
    Ok(())
}

#[test]
fn a_leaking_call_site_is_named_under_a_preloaded_allocator() -> Result<()> {
    let _machine = machine::shared();
    SAMPLED.into_iter().try_for_each(|allocator| each_leak(|leak, time| found_within(allocator, leak, time)))
}

fn found_within(allocator: &str, leak: &str, time: Duration) -> Result<()> {
    let mut watched = watched(start(allocator, &beside(leak))?, Mode::Auto)?;
    watched.names_the_leak(leak, time).context(allocator.to_owned())?;
    watched.node.healthy()?;
    watched.tracker.stop();
    Ok(())
}

#[test]
fn what_cannot_be_told_from_outside_is_refused() -> Result<()> {
    let node = start("libjemalloc", &[])?;
    let id = process::current(node.pid()).context("it has ended")?;
    let refused = memwatch_user::native::Tracker::start(id, Mode::Auto, 1.0, kernel(), None);
    let why = refused.err().context("it was not refused")?;
    ensure!(why.contains("jemalloc") && why.contains("--native full"), "{why}");
    Ok(())
}

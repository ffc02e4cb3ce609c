//! Who holds the memory of malloc where that is musl's: the same addon as with glibc, in the same words.

use std::time::Duration;

use anyhow::{Result, ensure};
use memwatch_tests::{container::Root, machine, native, node::Node, patience};
use memwatch_user::{
    native::Mode,
    plan::malloc::{self, Marks, Point},
    target::maps,
};

use super::{
    containers::node_inside,
    native_memory::{Counted, Watched, beside, each_leak, kernel},
};

/// The fixture with the addon in `root`, doing `works`; followed after something was done `before`.
fn watched(
    root: &Root,
    mode: Mode,
    works: &[&str],
    before: impl FnOnce(&mut Node) -> Result<()>,
) -> Result<Watched> {
    // Without glibc's start files and its library, what the addon calls is musl's.
    let addon = native::build(&["addon"], &["-g", "-shared", "-fPIC", "-nostdlib"])?;
    root.bring(&addon)?;
    let start = root.node("native_memory").argument("/built");
    let mut node = works.iter().fold(start, |start, work| start.argument(work)).ready()?;
    before(&mut node)?;
    let pid = node_inside(&node)?;
    Watched::follow(node, pid, mode, kernel())
}

#[test]
fn one_place_that_the_kernel_emulates_sees_every_block_of_musl() -> Result<()> {
    let root = Root::of_build("musl")?;
    let node = root.node("idle").ready()?;
    let pid = node_inside(&node)?;
    let plan = malloc::prepare(pid, &maps::of(pid)?)?;
    ensure!(plan.marks == Ok(Marks::Musl), "{:?}", plan.marks);
    let of_malloc: Vec<_> = plan.probes.iter().filter(|probe| probe.function == "malloc").collect();
    ensure!(
        matches!(of_malloc[..], [probe] if probe.emulated && probe.point == Point::Result),
        "{of_malloc:?}"
    );
    Ok(())
}

#[test]
fn every_block_of_musl_is_counted_once() -> Result<()> {
    let _machine = machine::shared();
    let root = Root::of_build("musl")?;
    let mut watched = watched(&root, Mode::Full, &[], |node| {
        node.tell("cache 1000")?;
        node.said("cached").map(drop)
    })?;
    watched.known(patience(), |known| known.outstanding.is_some());
    watched.counts_each_block_once(Counted::Usable)?;
    watched.tracker.stop();
    Ok(())
}

#[test]
fn a_leaking_call_site_is_named_on_musl() -> Result<()> {
    let _machine = machine::shared();
    each_leak(found_within)
}

fn found_within(leak: &str, time: Duration) -> Result<()> {
    let root = Root::of_build("musl")?;
    let mut watched = watched(&root, Mode::Auto, &beside(leak), |_| Ok(()))?;
    watched.names_the_leak(leak, time)?;
    let decisions = watched.tracker.decisions();
    ensure!(decisions.iter().any(|told| told.reason.contains("`realloc` adds")), "{decisions:#?}");
    watched.node.healthy()?;
    watched.tracker.stop();
    Ok(())
}

//! Who holds the memory of malloc where another allocator than the C library's serves it, preloaded or part of the program: the
//! same addon as with glibc, in the same words.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    container::{NODE, Root},
    machine, native,
    node::{self, Node},
    patience, releases, scratch,
};
use memwatch_user::{
    native::Mode,
    target::{
        allocator::{self, Allocator},
        maps, process,
    },
};

use super::{
    containers::node_inside,
    native_memory::{Counted, Watched, beside, each_leak, kernel},
};

const ALL: [&str; 3] = ["libjemalloc", "libmimalloc", "libtcmalloc"];
/// Those whose blocks are sampled.
const SAMPLED: [&str; 2] = ["libmimalloc", "libtcmalloc"];

/// What is linked into a program, by the name of the archive.
const LINKED: [(&str, Allocator); 2] =
    [("libjemalloc_pic", Allocator::Jemalloc), ("libtcmalloc_minimal", Allocator::Tcmalloc)];

/// The fixture with the addon under `allocator`, doing `works`.
fn start(allocator: &str, works: &[&str]) -> Result<Node> {
    preloading(&native::allocator(allocator)?, works)
}

fn preloading(library: &Path, works: &[&str]) -> Result<Node> {
    let preload = format!("LD_PRELOAD={}", library.display());
    let addon = native::build(&["addon"], &["-g", "-shared", "-fPIC"])?;
    let start =
        node::start(releases::USUAL, "native_memory")?.argument(addon.to_str().context("a path of UTF-8")?);
    works.iter().fold(start, |start, work| start.argument(work)).under(&["env", &preload]).ready()
}

fn watched(node: Node, mode: Mode) -> Result<Watched> {
    let pid = node.pid();
    Watched::follow(node, pid, mode, kernel())
}

/// The same in a program that has `archive` linked in.
fn embedded(
    archive: &str,
    mode: Mode,
    works: &[&str],
    before: impl FnOnce(&mut Node) -> Result<()>,
) -> Result<Watched> {
    let root = Root::of_build("debian")?;
    root.replace_node(&native::node_with(archive)?)?;
    root.bring(&native::build(&["addon"], &["-g", "-shared", "-fPIC"])?)?;
    let start = root.node("native_memory").argument("/built");
    let mut node = works.iter().fold(start, |start, work| start.argument(work)).ready()?;
    before(&mut node)?;
    let pid = node_inside(&node)?;
    Watched::follow(node, pid, mode, kernel())
}

/// What serves `malloc` in `pid`, and the file that holds it.
fn serving(pid: u32) -> Result<(Allocator, PathBuf)> {
    let maps = maps::of(pid)?;
    let serving = allocator::serving(pid, &maps).context("nothing known serves malloc")?;
    Ok((serving.allocator, serving.file.path.clone()))
}

#[test]
fn every_block_of_an_allocator_in_the_program_is_counted_once() -> Result<()> {
    let _machine = machine::shared();
    for (archive, allocator) in LINKED {
        let mut watched = embedded(archive, Mode::Full, &[], |node| {
            node.tell("cache 1000")?;
            node.said("cached").map(drop)
        })?;
        let pid = node_inside(&watched.node)?;
        let (served_by, file) = serving(pid)?;
        ensure!(served_by == allocator && file.to_string_lossy().ends_with(NODE), "{served_by:?} {file:?}");
        watched.known(patience(), |known| known.outstanding.is_some());
        watched.counts_each_block_once(Counted::Asked).context(archive)?;
        watched.tracker.stop();
    }
    Ok(())
}

#[test]
fn a_leaking_call_site_is_named_in_a_program_with_its_own_allocator() -> Result<()> {
    let _machine = machine::shared();
    let mut watched = embedded("libtcmalloc_minimal", Mode::Auto, &beside("leak-1m"), |_| Ok(()))?;
    watched.names_the_leak("leak-1m", Duration::from_secs(60))?;
    watched.node.healthy()?;
    watched.tracker.stop();
    Ok(())
}

#[test]
fn an_allocator_is_known_by_what_is_in_it() -> Result<()> {
    let _machine = machine::shared();
    for (name, expected) in
        ALL.into_iter().zip([Allocator::Jemalloc, Allocator::Mimalloc, Allocator::Tcmalloc])
    {
        let renamed = scratch::directory("renamed")?.join("memory.so");
        fs::copy(native::allocator(name)?, &renamed)?;
        let node = preloading(&renamed, &[])?;
        ensure!(serving(node.pid())? == (expected, renamed), "{name}: {:?}", serving(node.pid())?);
    }
    Ok(())
}

/// One that only passes calls on leaves them to the C library; one that does not is not known, and so nothing is sampled.
#[test]
fn who_only_counts_calls_does_not_serve_them() -> Result<()> {
    let _machine = machine::shared();
    let passing = preloading(&native::build(&["passing"], &["-shared", "-fPIC"])?, &[])?;
    ensure!(serving(passing.pid())?.0 == Allocator::Glibc, "{:?}", serving(passing.pid())?);
    let alone = preloading(&native::build(&["bump"], &["-shared", "-fPIC"])?, &[])?;
    ensure!(serving(alone.pid()).is_err(), "{:?}", serving(alone.pid())?);
    let id = process::current(alone.pid()).context("it has ended")?;
    let refused = memwatch_user::native::Tracker::start(id, Mode::Full, 1.0, kernel(), None);
    let why = refused.err().context("it was not refused")?.to_string();
    ensure!(why.contains("none of an allocator that is known"), "{why}");
    Ok(())
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
    let why = refused.err().context("it was not refused")?.to_string();
    ensure!(why.contains("jemalloc") && why.contains("--native full"), "{why}");
    Ok(())
}

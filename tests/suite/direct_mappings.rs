//! Memory that an addon takes from the kernel itself: exact beside the addon's own books, and the right function where it
//! leaks.

use std::{
    cell::Cell,
    fs,
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use memwatch_common::{loss::LossReason, target::TaskLayout};
use memwatch_tests::{
    container::Root,
    full, machine, native,
    node::{self, Node},
    patience, releases, scratch,
    tool::Tool,
};
use memwatch_user::{
    native::{
        Holder,
        direct::{Direct, Refused},
    },
    target,
    vocabulary::TakenBy,
};

use super::{
    containers::node_inside,
    native_memory::{first_sites, kernel},
};

/// The fixture with the addon, doing `works`, and its direct mappings from now on.
struct Watched {
    node: Node,
    pid: u32,
    direct: Direct,
}

fn start(version: &str, works: &[&str]) -> Result<Node> {
    let addon = native::build(&["mapper"], &["-g", "-shared", "-fPIC"])?;
    let start = node::start(version, "direct_mappings")?.argument(addon.to_str().context("a path of UTF-8")?);
    works.iter().fold(start, |start, work| start.argument(work)).ready()
}

impl Watched {
    fn start(version: &str, works: &[&str]) -> Result<Self> {
        let node = start(version, works)?;
        let pid = node.pid();
        Self::follow(node, pid)
    }

    /// Follows `pid`, which is `node` or was started by it.
    fn follow(node: Node, pid: u32) -> Result<Self> {
        Self::follow_within(node, pid, None)
    }

    /// The same within a budget, percent of one CPU.
    fn follow_within(node: Node, pid: u32, budget_pct: Option<f64>) -> Result<Self> {
        let direct = Direct::start(kernel(), TaskLayout::UNKNOWN, budget_pct)?;
        direct.follow(pid, &target::examine(pid)?.image.path, None);
        direct.attached()?;
        ensure!(direct.refusal(pid).is_none(), "{:?}", direct.refusal(pid));
        Ok(Self { node, pid, direct })
    }

    fn holders(&self) -> Vec<Holder> {
        self.direct.holders(self.pid)
    }

    /// The addon's mappings as they were followed, neighbours joined.
    fn followed(&self) -> Vec<Range<u64>> {
        let mapped = self.direct.mapped(self.pid);
        let is_own = |by: &memwatch_user::native::Frame| {
            by.module.as_deref().is_some_and(|module| module.ends_with("/built"))
        };
        joined(
            mapped
                .into_iter()
                .filter(|one| one.by.as_ref().is_some_and(is_own))
                .map(|one| one.range)
                .collect(),
        )
    }

    /// What was followed and is not mapped any more.
    fn gone(&self) -> Vec<Range<u64>> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid)).unwrap_or_default();
        let range = |line: &str| {
            let (start, end) = line.split_ascii_whitespace().next()?.split_once('-')?;
            Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
        };
        let mapped = joined(maps.lines().filter_map(range).collect());
        let is_there =
            |one: &Range<u64>| mapped.iter().any(|all| all.start <= one.start && one.end <= all.end);
        self.followed().into_iter().filter(|one| !is_there(one)).collect()
    }

    /// The addon says what it has mapped, and that is what was followed.
    fn is_exact(&mut self, word: &str, answer: &str) -> Result<()> {
        self.node.tell(word)?;
        let said = self.node.said(answer)?;
        let ends: Vec<u64> = said.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        let truth = joined(ends.chunks_exact(2).map(|ends| ends[0]..ends[1]).collect());
        let followed = self.followed();
        ensure!(
            followed == truth,
            "{word}: lost {:?}, {} ranges, not {}: {}",
            self.direct.losses(self.pid),
            followed.len(),
            truth.len(),
            differences(&followed, &truth)
        );
        Ok(())
    }
}

fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

fn differences(followed: &[Range<u64>], truth: &[Range<u64>]) -> String {
    let only = |these: &[Range<u64>], those: &[Range<u64>]| {
        these.iter().filter(|range| !those.contains(range)).cloned().collect::<Vec<_>>()
    };
    format!("followed only {:x?}, true only {:x?}", only(followed, truth), only(truth, followed))
}

#[test]
fn what_is_followed_is_what_is_mapped() -> Result<()> {
    let _machine = machine::shared();
    for version in releases::chosen() {
        let mut watched = Watched::start(version, &[])?;
        for turn in 0..5 {
            let (word, answer) = (format!("shuffle 400 {turn}"), format!("shuffled {turn}:"));
            watched.is_exact(&word, &answer).with_context(|| format!("Node {version}"))?;
        }
        watched.is_exact("race 200 20000", "raced").with_context(|| format!("Node {version}"))?;
        watched.node.healthy()?;
        watched.direct.stop();
    }
    Ok(())
}

/// More than the ring buffer has room for while nobody reads: it is counted, and of what is not there any more nothing is kept.
/// A neighbour that is followed as well has lost nothing.
#[test]
fn changes_that_were_not_seen_are_counted() -> Result<()> {
    let _machine = machine::shared();
    let mut watched = Watched::start(releases::USUAL, &[])?;
    let mut neighbour = start(releases::USUAL, &[])?;
    watched.direct.follow(neighbour.pid(), &target::examine(neighbour.pid())?.image.path, None);
    watched.direct.attached()?;
    let resting = watched.direct.rest();
    watched.node.tell("race 20000 0")?;
    watched.node.said("raced")?;
    drop(resting);
    let lost = || watched.direct.losses(watched.pid).into_iter().collect::<Vec<_>>();
    let lost = until(patience(), lost, |lost| !lost.is_empty());
    ensure!(matches!(lost[..], [(LossReason::MappingsFull, _)]), "{lost:?}");
    // It is looked for once a second.
    let gone = until(patience(), || watched.gone(), <[_]>::is_empty);
    ensure!(gone.is_empty(), "{gone:x?}");
    let of_neighbour = watched.direct.losses(neighbour.pid());
    ensure!(of_neighbour.is_empty(), "{of_neighbour:?}");
    neighbour.healthy()?;
    watched.node.healthy()?;
    watched.direct.stop();
    Ok(())
}

#[test]
fn who_would_pay_more_than_the_budget_is_left_alone() -> Result<()> {
    let _machine = machine::shared();
    let node = start(releases::USUAL, &[])?;
    let pid = node.pid();
    let mut watched = Watched::follow_within(node, pid, Some(1.0))?;
    watched.node.tell("race 20000 0")?;
    watched.node.said("raced")?;
    let refusal = || watched.direct.refusal(pid).into_iter().collect::<Vec<_>>();
    let refusal = until(patience(), refusal, |said| !said.is_empty());
    ensure!(
        matches!(&refusal[..], [why @ Refused::TooDear { .. }] if why.to_string().contains("times a second")),
        "{refusal:?}"
    );
    ensure!(watched.direct.mapped(pid).is_empty() && watched.holders().is_empty(), "it is followed still");
    watched.node.healthy()?;
    watched.direct.stop();
    Ok(())
}

/// The innermost function.
fn function(holder: &Holder) -> &str {
    holder.frames.first().and_then(|frame| frame.function.as_deref()).unwrap_or_default()
}

/// Beside a cache that turns over, one that fills and stays, gigabytes that are reserved, and pages that are given back with
/// their addresses kept.
#[test]
fn a_leak_past_malloc_is_named_and_nothing_else() -> Result<()> {
    let _machine = machine::shared();
    let versions = if full() { releases::chosen() } else { &[releases::USUAL] };
    for version in versions {
        let watched = Watched::start(version, &["leak-1m", "cache", "table", "reserve", "drop"])?;
        let holders = until(
            Duration::from_secs(60),
            || watched.holders(),
            |holders| matches!(holders, [one] if function(one) == "leak_mapping"),
        );
        let [only] = &holders[..] else { anyhow::bail!("{version}: {holders:#?}") };
        ensure!(function(only) == "leak_mapping" && only.by == TakenBy::Mmap, "{version}: {only:#?}");
        ensure!(
            only.frames[0].module.as_deref().is_some_and(|module| module.ends_with("/built")),
            "{only:#?}"
        );
        ensure!(only.frames[0].line.is_some() && only.bytes > 4 << 20, "{only:#?}");
        watched.direct.stop();
    }
    Ok(())
}

/// Sixteen terabytes that could be touched, and are not: nobody waits for us to look at them.
#[test]
fn vast_reservations_are_looked_at_in_no_time() -> Result<()> {
    let _machine = machine::shared();
    let mut watched = Watched::start(releases::USUAL, &["leak-1m"])?;
    watched.node.tell("vast")?;
    let slowest = Cell::new(Duration::ZERO);
    let holders = || {
        let asked = Instant::now();
        watched.followed();
        slowest.set(slowest.get().max(asked.elapsed()));
        watched.holders()
    };
    let holders = until(patience(), holders, |holders| !holders.is_empty());
    ensure!(matches!(&holders[..], [one] if function(one) == "leak_mapping"), "{holders:#?}");
    ensure!(slowest.get() < Duration::from_secs(3), "an answer took {:?}", slowest.get());
    watched.direct.stop();
    Ok(())
}

/// An upgrade replaces Node's file while it runs; what V8 maps is the heap's all the same.
#[test]
fn the_heap_stays_the_heaps_when_its_file_is_gone() -> Result<()> {
    let _machine = machine::shared();
    let program = scratch::directory("upgraded")?.join("node");
    fs::copy(releases::node(releases::USUAL)?, &program)?;
    let addon = native::build(&["mapper"], &["-g", "-shared", "-fPIC"])?;
    let start = node::Start::new(program.clone(), node::fixture("direct_mappings"));
    let addon = addon.to_str().context("a path of UTF-8")?;
    let node = start.argument(addon).argument("leak-1m").argument("heap").ready()?;
    let pid = node.pid();
    let path = target::examine(pid)?.image.path;
    fs::remove_file(program)?;
    let direct = Direct::start(kernel(), TaskLayout::UNKNOWN, None)?;
    direct.follow(pid, &path, None);
    let watched = Watched { node, pid, direct };
    let holders = until(patience(), || watched.holders(), |holders| !holders.is_empty());
    ensure!(matches!(&holders[..], [one] if function(one) == "leak_mapping"), "{holders:#?}");
    watched.direct.stop();
    Ok(())
}

#[test]
fn one_mapping_that_grows_is_whose_who_makes_it_grow() -> Result<()> {
    let _machine = machine::shared();
    let watched = Watched::start(releases::USUAL, &["grow"])?;
    let holders = until(patience(), || watched.holders(), |holders| !holders.is_empty());
    ensure!(holders.first().is_some_and(|first| function(first) == "grow_mapping"), "{holders:#?}");
    watched.direct.stop();
    Ok(())
}

/// musl has no tables for unwinding: how far the caller is up the stack is told by the code of its `mmap`.
#[test]
fn a_leak_past_musl_is_named() -> Result<()> {
    let _machine = machine::shared();
    let root = Root::of_build("musl")?;
    // Without glibc's start files and its library, what the addon calls is musl's.
    root.bring(&native::build(&["mapper"], &["-g", "-shared", "-fPIC", "-nostdlib"])?)?;
    let works = ["leak-1m", "cache", "reserve"];
    let start = root.node("direct_mappings").argument("/built");
    let node = works.iter().fold(start, |start, work| start.argument(work)).ready()?;
    let pid = node_inside(&node)?;
    let mut watched = Watched::follow(node, pid)?;
    let holders = until(Duration::from_secs(60), || watched.holders(), |holders| !holders.is_empty());
    ensure!(matches!(&holders[..], [one] if function(one) == "leak_mapping"), "{holders:#?}");
    watched.node.healthy()?;
    watched.direct.stop();
    Ok(())
}

#[test]
fn the_verdict_names_who_maps() -> Result<()> {
    let _machine = machine::shared();
    let node = start(releases::USUAL, &["leak-1m"])?;
    let pid = node.pid().to_string();
    let sites = first_sites(&mut Tool::start(&["--pid", &pid, "--json", "--interval", "1s"])?)?;
    let site = &sites[0];
    ensure!(site.call == Some(TakenBy::Mmap) && site.share > 0.8, "{site:?}");
    let named = |name: &str| site.frames.iter().position(|frame| frame.function.as_deref() == Some(name));
    // The function of the addon, and that of JavaScript which called it.
    ensure!(named("leak_mapping") == Some(0) && named("leak-1m").is_some(), "{site:?}");
    Ok(())
}

/// What `read` gives once it is as `wanted`, or when time is up.
fn until<T>(within: Duration, read: impl Fn() -> Vec<T>, wanted: impl Fn(&[T]) -> bool) -> Vec<T> {
    let deadline = Instant::now() + within;
    loop {
        let known = read();
        if wanted(&known) || Instant::now() > deadline {
            return known;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

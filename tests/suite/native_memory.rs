//! Who holds the memory of malloc: exact where every block is followed, and the right call site where blocks are sampled.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    full, machine, native,
    node::{self, Node, Start},
    patience, proc, releases, skip,
    tool::{self, Finished, Tool},
    workspace,
};
use memwatch_user::{
    bpf::multi,
    host::{
        features::{FeatureName, Features},
        kernel::Kernel,
    },
    native::{Holder, Known, Mode, Tracker},
    report::record::{Body, Frame, Kind, Record, Site, Verdict},
    target::process,
};

/// Percent of one CPU.
const BUDGET: f64 = 1.0;

/// What this kernel has.
pub(super) fn kernel() -> Features {
    Features::probe(Kernel::running().version, multi::is_supported())
}

/// What the bytes of a block are, by its place in what `mix` says.
#[derive(Clone, Copy)]
pub(super) enum Counted {
    /// Where each block has a header that says so.
    Usable = 1,
    /// Elsewhere.
    Asked = 2,
}

/// A process whose native memory is followed.
pub(super) struct Watched {
    pub(super) node: Node,
    pub(super) tracker: Tracker,
}

/// The fixture with the addon, doing `works`.
pub(super) fn start(version: &str, works: &[&str]) -> Result<Node> {
    let addon = native::build(&["addon"], &["-g", "-shared", "-fPIC"])?;
    let start = node::start(version, "native_memory")?.argument(addon.to_str().context("a path of UTF-8")?);
    works.iter().fold(start, |start, work| start.argument(work)).ready()
}

impl Watched {
    /// Starts the fixture, does something `before`, and follows it.
    pub(super) fn start(
        version: &str,
        mode: Mode,
        works: &[&str],
        before: impl FnOnce(&mut Node) -> Result<()>,
    ) -> Result<Self> {
        Self::start_on(kernel(), version, mode, works, before)
    }

    /// The same on a kernel that has no more than `features`.
    fn start_on(
        features: Features,
        version: &str,
        mode: Mode,
        works: &[&str],
        before: impl FnOnce(&mut Node) -> Result<()>,
    ) -> Result<Self> {
        let mut node = start(version, works)?;
        before(&mut node)?;
        let pid = node.pid();
        Self::follow(node, pid, mode, features)
    }

    /// Follows `pid`, which is `node` or was started by it, on a kernel that has no more than `features`.
    pub(super) fn follow(node: Node, pid: u32, mode: Mode, features: Features) -> Result<Self> {
        let id = process::current(pid).context("it has ended")?;
        let tracker = Tracker::start(id, mode, BUDGET, features, None)?;
        Ok(Self { node, tracker })
    }

    /// What is known once it is as `wanted`, or when time is up.
    pub(super) fn known(&self, within: Duration, wanted: impl Fn(&Known) -> bool) -> Known {
        let deadline = Instant::now() + within;
        loop {
            let known = self.tracker.known();
            if wanted(&known) || Instant::now() > deadline {
                return known;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Every function of the allocator, in ways that go well and ways that do not, beside the addon's own count; and half of a
    /// cache of 1000 blocks that was filled before we looked is replaced. Bytes are `counted` as usable or as asked for.
    pub(super) fn counts_each_block_once(&mut self, counted: Counted) -> Result<()> {
        self.node.tell("mix 300")?;
        let said = self.node.said("mixed")?;
        self.node.tell("cache 500")?;
        let kept: Vec<u64> = said.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let truth = [kept[0], kept[counted as usize]];
        let is_exact = |known: &Known| {
            let (blocks, bytes) = sum(known, "mix");
            [blocks, bytes] == truth && sum(known, "cache_block").0 == 500
        };
        let known = self.known(patience(), is_exact);
        ensure!(is_exact(&known), "not {truth:?}: {known:#?}");
        let unknown = known.outstanding.context("nothing is known")?.unknown_frees;
        ensure!(unknown >= 500, "{unknown} frees of what was there before");
        ensure!(known.losses.is_empty(), "{:?}", known.losses);
        self.node.healthy()
    }

    /// The leak is named, with its line, and nothing else of the addon's.
    #[expect(clippy::print_stdout, reason = "the figures of a run are what the report quotes")]
    pub(super) fn names_the_leak(&self, leak: &str, within: Duration) -> Result<()> {
        let is_found = |known: &Known| {
            known.holders.first().is_some_and(|holder| function(holder) == "leak_block" && holder.share > 0.8)
                && known.holders.iter().all(|holder| ["", "leak_block"].contains(&function(holder)))
        };
        let began = Instant::now();
        let known = self.known(within, is_found);
        println!(
            "{leak}: named after {:.0} s, charged {:.1} % so far",
            began.elapsed().as_secs_f64(),
            known.cost_pct
        );
        ensure!(is_found(&known), "{leak}: {:#?}", known.holders);
        let frame = &known.holders[0].frames[0];
        ensure!(frame.file.as_deref().is_some_and(|file| file.ends_with("addon.c")), "{frame:?}");
        ensure!(frame.line.is_some() && known.holders[0].interval.is_some(), "{:?}", known.holders[0]);
        ensure!(known.cost_pct < 2.0 * BUDGET, "{} %", known.cost_pct);
        Ok(())
    }

    /// As it goes on after what has just been done.
    fn settled(&self) -> Known {
        std::thread::sleep(Duration::from_millis(2500));
        self.tracker.known()
    }
}

/// A leak beside a cache of 3 s, a table that fills within a minute, and half a million blocks a second that come and go.
pub(super) const fn beside(leak: &str) -> [&str; 4] {
    [leak, "cache", "table", "churn"]
}

/// The innermost function, if it is the addon's.
fn function(holder: &Holder) -> &str {
    let frame =
        holder.frames.first().filter(|frame| frame.module.as_deref().is_some_and(|m| m.ends_with("/built")));
    frame.and_then(|frame| frame.function.as_deref()).unwrap_or_default()
}

fn sum(known: &Known, name: &str) -> (u64, u64) {
    let own = known.holders.iter().filter(|holder| function(holder) == name);
    own.fold((0, 0), |(blocks, bytes), holder| (blocks + holder.n, bytes + holder.bytes))
}

#[test]
fn every_block_that_is_followed_is_counted_once() -> Result<()> {
    let _machine = machine::shared();
    let older = kernel().without(&[FeatureName::UprobeMulti]);
    let kernels = releases::chosen().iter().map(|version| (kernel(), *version));
    for (features, version) in kernels.chain([(older, releases::USUAL)]) {
        let mut watched = Watched::start_on(features, version, Mode::Full, &[], |node| {
            node.tell("cache 1000")?;
            node.said("cached").map(drop)
        })?;
        watched.known(patience(), |known| known.outstanding.is_some());
        // A forked child has the probes' breakpoints until it executes something.
        watched.node.tell("spawn 3")?;
        ensure!(watched.node.said("spawned")? == "3");
        watched.counts_each_block_once(Counted::Usable)?;
        watched.tracker.stop();
    }
    Ok(())
}

#[test]
fn a_leaking_call_site_is_named_beside_a_cache_and_churn() -> Result<()> {
    let _machine = machine::shared();
    each_leak(found_within)
}

/// Every planted leak, with the time within which it has to be named.
pub(super) fn each_leak(found_within: impl Fn(&str, Duration) -> Result<()>) -> Result<()> {
    found_within("leak-1m", Duration::from_secs(60))?;
    if full() {
        found_within("leak-100k", Duration::from_secs(60))?;
        found_within("leak-10k", Duration::from_secs(300))?;
    }
    Ok(())
}

fn found_within(leak: &str, time: Duration) -> Result<()> {
    let watched = Watched::start(releases::USUAL, Mode::Auto, &beside(leak), |_| Ok(()))?;
    watched.names_the_leak(leak, time)?;
    watched.tracker.stop();
    Ok(())
}

/// A program of the corpus: its variants with their releases, and the function and module that are right.
struct Published {
    case: &'static str,
    leaky: &'static str,
    fixed: &'static str,
    function: &'static str,
    module: &'static str,
}

const PUBLISHED: [Published; 2] = [
    Published {
        case: "leveldown-getmany",
        leaky: "20.20.2",
        fixed: "20.20.2",
        function: "db_get_many",
        module: "leveldown-leaky/prebuilds/linux-x64/node.napi.glibc.node",
    },
    Published {
        case: "napi-ref-core",
        leaky: "10.15.3",
        fixed: "10.15.2",
        function: "napi_create_reference",
        module: "bin/node",
    },
];

/// How long each is watched.
const PUBLISHED_WATCHED: &str = "75s";

#[test]
fn published_leaks_are_named_and_their_mended_releases_are_none() -> Result<()> {
    let corpus = workspace().join(".cache/corpus");
    if !full() || !corpus.join("addons/reference.node").exists() {
        return skip("published leaks", "MEMWATCH_FULL is not 1, or the corpus is not there");
    }
    let _machine = machine::shared();
    for published in &PUBLISHED {
        let finished = published.watch("leaky", published.leaky)?;
        let named = |site: &Site| site.frames.iter().any(|frame| published.is_named(frame));
        let sites = sites(&finished)?;
        ensure!(sites.first().is_some_and(named), "{}: {sites:#?}", published.case);
        let finished = published.watch("fixed", published.fixed)?;
        ensure!(finished.code()? != 1, "{}, fixed: {}", published.case, finished.stdout);
    }
    Ok(())
}

/// Of the last verdict on native memory that has some.
fn sites(finished: &Finished) -> Result<Vec<Site>> {
    let records = finished.records()?;
    let verdicts = records.iter().filter_map(tool::verdict).filter(|verdict| verdict.kind == Kind::Native);
    let last = verdicts.map(|verdict| verdict.sites.clone()).rfind(|sites| !sites.is_empty());
    Ok(last.unwrap_or_default())
}

impl Published {
    fn watch(&self, variant: &str, version: &str) -> Result<Finished> {
        let corpus = workspace().join(".cache/corpus");
        let modules = format!("NODE_PATH={}", corpus.join(self.case).join("node_modules").display());
        let addons = format!("MEMWATCH_ADDONS={}", corpus.join("addons").display());
        let driver = workspace().join("tests/corpus").join(self.case).join("driver.js");
        let start = Start::new(releases::node(version)?, driver).argument(variant);
        let node = start.under(&["env", &modules, &addons]).ready()?;
        tool::run(&["--pid", &node.pid().to_string(), "--json", "--duration", PUBLISHED_WATCHED])
    }

    fn is_named(&self, frame: &Frame) -> bool {
        let (function, module) = (frame.function.as_deref(), frame.module.as_deref());
        function.is_some_and(|name| name.contains(self.function))
            && module.is_some_and(|name| name.ends_with(self.module))
    }
}

#[test]
fn a_process_that_does_not_grow_is_left_alone() -> Result<()> {
    let _machine = machine::shared();
    let mut watched = Watched::start(releases::USUAL, Mode::Auto, &[], |_| Ok(()))?;
    let known = watched.settled();
    ensure!(known == Known::default() && !watched.tracker.is_alarmed(), "{known:?}");
    // It was looked at all the same: as soon as it grows, that is seen.
    watched.node.tell("mix 3000")?;
    proc::until(patience(), || Ok(watched.tracker.is_alarmed().then_some(())))?;
    watched.tracker.stop();
    Ok(())
}

#[test]
fn what_it_cost_is_told_of_a_target_that_is_gone() -> Result<()> {
    let _machine = machine::shared();
    let mut node = start(releases::USUAL, &["churn"])?;
    let mut tool = Tool::start(&["--pid", &node.pid().to_string(), "--json", "--native", "full"])?;
    let is_dear = |record: &Record| matches!(&record.body, Body::Governor(governor) if governor.cost_estimate_pct > 5.0);
    tool.wait("what it costs", is_dear)?;
    node.stop()?;
    let records = tool.finish()?.records()?;
    let Some(Body::Bye(bye)) = records.last().map(|record| &record.body) else {
        anyhow::bail!("the last record is {:?}", records.last())
    };
    ensure!(bye.target_overhead.estimated_pct.is_some_and(|percent| percent > 2.0), "{bye:?}");
    Ok(())
}

#[test]
fn the_verdict_on_native_memory_says_who_holds_it() -> Result<()> {
    let _machine = machine::shared();
    let node = start(releases::USUAL, &["leak-1m"])?;
    let pid = node.pid().to_string();
    let mut tool = Tool::start(&["--pid", &pid, "--json", "--interval", "1s"])?;
    let sites = first_sites(&mut tool)?;
    let first = sites.first().and_then(|site| site.frames.first()).context("nobody holds it")?;
    ensure!(first.function.as_deref() == Some("leak_block") && first.module.is_some(), "{sites:?}");
    let mut records = tool.records()?.into_iter();
    ensure!(records.any(|record| matches!(record.body, Body::Governor(_))), "no decision was told");
    Ok(())
}

/// Of the first verdict on native memory that says who holds it: it is told when that is known, if not before.
pub(super) fn first_sites(tool: &mut Tool) -> Result<Vec<Site>> {
    let names = |verdict: &Verdict| verdict.kind == Kind::Native && !verdict.sites.is_empty();
    let record =
        tool.wait("a verdict that says who holds it", |record| tool::verdict(record).is_some_and(names))?;
    Ok(tool::verdict(&record).map(|verdict| verdict.sites.clone()).unwrap_or_default())
}

/// Six that leak: one thread and at most four instances of the kernel's object, the fastest first, and the others say that they
/// wait.
#[test]
fn many_that_grow_are_followed_a_few_at_a_time() -> Result<()> {
    let _machine = machine::shared();
    let nodes = (0..6).map(|_| start(releases::USUAL, &["leak-1m"])).collect::<Result<Vec<_>>>()?;
    let pids: Vec<u32> = nodes.iter().map(Node::pid).collect();
    let mut tool = Tool::watch(&pids)?;
    let says = |record: &Record, words: &str| matches!(&record.body, Body::Governor(governor) if governor.reason.contains(words));
    let waits = "which is the most at once";
    tool.wait_all("who waits", 2, |record| says(record, waits))?;
    tool.wait_all("who is looked at", 4, |record| says(record, "a trap costs it"))?;
    ensure!(threads(tool.pid(), "native")? == 1, "{} threads", threads(tool.pid(), "native")?);
    let records = tool.interrupt()?.records()?;
    let of = |words: &str| {
        let subjects =
            records.iter().filter(|record| says(record, words)).filter_map(|record| record.subject);
        subjects.map(|subject| subject.pid).collect::<BTreeSet<u32>>()
    };
    let (waiting, followed) = (of(waits), of("a trap costs it"));
    ensure!(waiting.len() == 2 && followed.len() == 4, "{waiting:?} wait, {followed:?} are followed");
    ensure!(waiting.is_disjoint(&followed), "{waiting:?} and {followed:?}");
    Ok(())
}

/// How many threads of a process have this name.
fn threads(pid: u32, name: &str) -> Result<usize> {
    let mut count = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let comm = std::fs::read_to_string(task?.path().join("comm")).unwrap_or_default();
        count += usize::from(comm.trim_end() == name);
    }
    Ok(count)
}

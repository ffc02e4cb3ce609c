//! The heap read from outside is the heap that V8 itself describes: each class in number and bytes, all objects, bytes of
//! array buffers; whatever the process does meanwhile, and whatever becomes of us.

use std::{collections::BTreeMap, path::PathBuf, thread, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use memwatch_tests::{
    container::Root,
    full, machine,
    node::{self, Node},
    patience, proc, releases, skip,
    tool::Tool,
};
use memwatch_user::{
    heap::{
        graph::{Graph, HeapGraph, IsolateId, NodeId},
        names::{ClassKind, How as HowNamed, LiveNames, Names},
        read::{self, HeapError},
        take::{How, Isolate, Pause, TakeError},
    },
    target,
    v8::heap_layout::Kind,
};
use nix::{sys::ptrace, unistd::Pid};
use rustix::process::Signal;

use crate::containers;

const FIXTURE: &str = "heap_known";

/// Classes of the fixture, and how many of each it keeps. Of the values of its `WeakMap` half have a live key; what only
/// `WeakRef`s refer to is gone.
const CLASSES: [(&str, u64); 8] = [
    ("Session", 5000),
    ("Entry", 3020),
    ("Point", 2030),
    ("Cache", 50),
    ("Sparse", 400),
    ("Wide", 100),
    ("Value", 500),
    ("Weakly", 0),
];
/// Closures of one function that it keeps.
const CLOSURES: (&str, u64) = ("counted", 700);
/// Bytes of a buffer that it keeps, and how many of them.
const BUFFERS: (u64, usize) = (1 << 20, 10);
/// Classes of `heap_workers`, each of one thread, and how many objects of it and of `Shared` the thread keeps.
const WORKERS: [(&str, usize); 3] = [("OfMain", 100), ("OfFirst", 200), ("OfSecond", 300)];
/// What Node reads its standard input into.
const INPUT: u64 = 64 << 10;
/// A pause that no take comes near, however busy the machine is.
const LONG: Pause = Pause::AtMost(Duration::from_secs(20));

/// Number and bytes.
type Count = (u64, u64);
/// By type of V8's heap snapshots and name.
type Counts = BTreeMap<String, BTreeMap<String, Count>>;

/// A test for each release. Those that are not among [`releases::chosen`] are run with `MEMWATCH_FULL=1` only.
macro_rules! on_every_release {
    ($($name:ident $version:literal),* $(,)?) => { $(
        #[test]
        fn $name() -> Result<()> {
            if !releases::chosen().contains(&$version) {
                return skip(concat!("Node ", $version), "only with MEMWATCH_FULL=1");
            }
            let _machine = machine::shared();
            let mut node = node::start($version, FIXTURE)?.flag("--expose-gc").ready()?;
            let pid = node.pid();
            equals_v8(&mut node, pid)
        }
    )* };
}

on_every_release! {
    node_16 "16.20.2", node_18 "18.20.8", node_20 "20.20.2", node_22 "22.23.3", node_24 "24.21.0", node_25 "25.9.0",
    node_26 "26.10.0",
}

/// Several times: what lies behind a thread's stack there is another thing in every run.
#[test]
fn with_musl() -> Result<()> {
    (0..if full() { 40 } else { 4 }).try_for_each(|_| of_build("musl"))
}

#[test]
fn with_v8_in_a_shared_library() -> Result<()> {
    of_build("debian")
}

fn of_build(name: &str) -> Result<()> {
    let _machine = machine::shared();
    let mut node = Root::of_build(name)?.node(FIXTURE).flag("--expose-gc").ready()?;
    let pid = containers::node_inside(&node)?;
    equals_v8(&mut node, pid)
}

fn equals_v8(node: &mut Node, pid: u32) -> Result<()> {
    node.tell("gc")?;
    node.said("collected")?;
    let graph = taken(pid, LONG)?;
    ensure!(graph.take().how == How::Stopped && !graph.take().pause.is_zero(), "{:?}", graph.take().how);
    ensure!(graph.take().isolates[0].thread == Some(pid), "{:?}", graph.take().isolates);
    node.tell("snapshot")?;
    let theirs: Counts = serde_json::from_str(&node.said("snapshot ")?)?;
    let ours = counts(&graph);
    let checks = graph.checks();
    for (name, count) in CLASSES {
        let of = |counts: &Counts| counts["object"].get(name).copied().unwrap_or_default();
        ensure!(of(&ours).0 == count, "{count} {name}: {:?}; {checks:?}", of(&ours));
        // V8 9 calls objects of a class that extends `Map` by the name of `Map`.
        let is_named = name != "Cache" || of(&theirs).0 > 0;
        ensure!(
            !is_named || of(&ours) == of(&theirs),
            "{name}: {:?}, V8 says {:?}; {checks:?}",
            of(&ours),
            of(&theirs)
        );
    }
    let of = |counts: &Counts| counts["closure"].get(CLOSURES.0).copied().unwrap_or_default();
    ensure!(of(&ours).0 == CLOSURES.1 && of(&ours) == of(&theirs), "{:?} {:?}", of(&ours), of(&theirs));
    all_objects(&graph, &theirs)?;
    array_buffers(&graph, &theirs)?;
    ensure!(node.stop()?.success());
    Ok(())
}

/// Within 5 of 10 000: taking a snapshot makes some objects itself.
fn all_objects(graph: &Graph, theirs: &Counts) -> Result<()> {
    // Variables of functions, which V8 shows among objects.
    let is_context = |name: &str| name == "system / Context";
    let of = |kind: &str| {
        theirs[kind].iter().filter(|(name, _)| !is_context(name)).map(|(_, count)| count.0).sum::<u64>()
    };
    let expected: u64 = ["object", "closure", "regexp"].map(of).iter().sum();
    let found = nodes(graph).filter(|node| graph.kind(*node).is_js_object()).count() as u64;
    let off = found.abs_diff(expected);
    ensure!(off * 2000 <= expected, "{found} objects, V8 says {expected}; {:?}", graph.checks());
    Ok(())
}

/// Within 1 of 1 000, and what was read since.
fn array_buffers(graph: &Graph, theirs: &Counts) -> Result<()> {
    let is_buffer = |node: &NodeId| graph.kind(*node) == Kind::JsArrayBuffer;
    let sizes: Vec<u64> = nodes(graph).filter(is_buffer).map(|node| graph.external_bytes(node)).collect();
    ensure!(sizes.iter().filter(|size| **size == BUFFERS.0).count() == BUFFERS.1, "{sizes:?}");
    let found: u64 = sizes.iter().sum();
    let expected = theirs["native"].get("system / JSArrayBufferData").context("V8 has no array buffers")?.1;
    ensure!(found.abs_diff(expected) <= expected / 1000 + 2 * INPUT, "{found} bytes, V8 says {expected}");
    Ok(())
}

/// The graph of a process's heap.
fn taken(pid: u32, pause: Pause) -> Result<Graph> {
    Ok(read(pid, pause)?)
}

fn read(pid: u32, pause: Pause) -> Result<Graph, HeapError> {
    let target = target::examine(pid).unwrap_or_else(|error| panic!("{error}"));
    read::read(&target, pause, u64::MAX, &mut |_| {})
}

fn nodes(graph: &Graph) -> impl Iterator<Item = NodeId> {
    (u32::try_from(graph.roots().len()).unwrap_or(u32::MAX)..graph.len()).map(NodeId)
}

/// What is in a graph, as V8's snapshots have it.
fn counts(graph: &Graph) -> Counts {
    let how = HowNamed { layout: graph.layout().clone(), root: PathBuf::from("/"), keys: false };
    let mut names = LiveNames::new(graph, &graph.take().copied, how);
    let mut counts = Counts::new();
    for node in nodes(graph) {
        let class = names.class_of(node);
        let class = names.class(class).clone();
        let (kind, name) = match class.kind {
            ClassKind::Object => ("object", class.name),
            ClassKind::Closure => {
                ("closure", names.function(node).and_then(|it| it.name).unwrap_or_default())
            }
            _ => continue,
        };
        let count = counts.entry(kind.to_owned()).or_default().entry(name).or_default();
        count.0 += 1;
        count.1 += graph.shallow_bytes(node);
    }
    counts
}

/// The heap of each worker is an isolate of its own, of the thread that runs it.
#[test]
fn workers_are_told_apart() -> Result<()> {
    let _machine = machine::shared();
    for version in ["18.20.8", releases::USUAL, "26.10.0"] {
        let mut node = node::start(version, "heap_workers")?.ready()?;
        let graph = taken(node.pid(), LONG)?;
        let isolates = &graph.take().isolates;
        ensure!(isolates.len() == WORKERS.len(), "{version}: {isolates:?}");
        ensure!(isolates[0].thread == Some(node.pid()), "{version}: {isolates:?}");
        for (class, count) in WORKERS {
            let thread: u32 = node.said(&format!("thread {class} "))?.parse()?;
            let of = |isolate: &Isolate| isolate.thread == Some(thread);
            let number = isolates.iter().position(of).with_context(|| format!("{class}: {isolates:?}"))?;
            let number = Some(IsolateId(u16::try_from(number)?));
            for (name, expected) in [(class, [count, count]), ("Shared", [600, count])] {
                let all = of_class(&graph, name);
                let in_it = all.iter().filter(|node| graph.isolate(**node) == number).count();
                ensure!([all.len(), in_it] == expected, "{version}: {in_it} of {} {name}", all.len());
            }
        }
    }
    Ok(())
}

/// Objects of a class that has this name in any isolate.
fn of_class(graph: &Graph, name: &str) -> Vec<NodeId> {
    let how = HowNamed { layout: graph.layout().clone(), root: PathBuf::from("/"), keys: false };
    let mut names = LiveNames::new(graph, &graph.take().copied, how);
    let mut is_it = |node: &NodeId| {
        let class = names.class_of(*node);
        let class = names.class(class);
        class.kind == ClassKind::Object && class.name == name
    };
    nodes(graph).filter(|node| is_it(node)).collect()
}

/// However it is taken and whatever runs meanwhile: what the program keeps is there, or the take is refused.
#[test]
fn at_any_moment_it_is_right_or_refused() -> Result<()> {
    let _machine = machine::shared();
    let rounds = if full() { 1000 } else { 5 };
    for version in ["20.20.2", releases::USUAL, "26.10.0"] {
        let mut node = node::start(version, FIXTURE)?.flag("--expose-gc").ready()?;
        node.tell("gc")?;
        node.said("collected")?;
        node.tell("churn")?;
        let mut refused = 0;
        for _ in 0..rounds {
            refused += moment(node.pid(), version)?;
        }
        ensure!(refused * 2 <= rounds, "{version}: {refused} of {rounds} takes were refused");
        node.healthy()?;
    }
    Ok(())
}

/// Whether the take was refused.
fn moment(pid: u32, version: &str) -> Result<u32> {
    match read(pid, LONG) {
        Ok(graph) => {
            let counts = counts(&graph);
            for (name, count) in CLASSES {
                let found = counts["object"].get(name).map_or(0, |count| count.0);
                ensure!(found == count, "{version}: {found} of {count} {name}; {:?}", graph.checks());
            }
            Ok(0)
        }
        Err(HeapError::Graph { .. }) => Ok(1),
        Err(error) => bail!(error),
    }
}

/// Takes without a pause, and with one that is too short for anything, say so, and have what is old.
#[test]
fn what_no_pause_suffices_for_is_taken_without_one() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::start(releases::USUAL, FIXTURE)?.flag("--expose-gc").ready()?;
    node.tell("gc")?;
    node.said("collected")?;
    let running = taken(node.pid(), Pause::None)?;
    ensure!(running.take().how == How::Running && running.take().pause.is_zero());
    for allowed in [0, 1, 5].map(Duration::from_millis) {
        let graph = taken(node.pid(), Pause::AtMost(allowed))?;
        ensure!(
            graph.take().how != How::Stopped || graph.take().pause <= allowed,
            "{:?}",
            graph.take().pause
        );
    }
    for graph in [running, taken(node.pid(), LONG)?] {
        ensure!(counts(&graph)["object"]["Session"].0 == 5000, "{:?}", graph.take().how);
    }
    node.healthy()
}

/// `kill -9` of ours at any moment, most of them inside of the take: the process goes on.
#[test]
fn whoever_dies_inside_a_take_lets_the_process_go_on() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running(FIXTURE)?;
    for pause in ["20s", "none"] {
        for round in 0..if full() { 50 } else { 10 } {
            dies(&mut node, pause, Duration::from_millis(20 + 17 * round))?;
        }
    }
    Ok(())
}

fn dies(node: &mut Node, pause: &str, after: Duration) -> Result<()> {
    let tool = Tool::start(&["heap", "--pid", &node.pid().to_string(), "--pause", pause])?;
    thread::sleep(after);
    // Fails if it is done already.
    drop(tool.signal(Signal::KILL));
    tool.finish()?;
    node.healthy()?;
    ensure!(proc::threads(node.pid())?.len() > 4);
    Ok(())
}

#[test]
fn what_cannot_be_taken_is_one_clear_error() -> Result<()> {
    let _machine = machine::shared();
    let mut node = node::running(FIXTURE)?;
    let pid = node.pid();
    let target = target::examine(pid)?;
    let error = |target| match read::read(target, LONG, u64::MAX, &mut |_| {}) {
        Err(HeapError::Take(error)) => Ok(error),
        other => bail!("{other:?}"),
    };
    node.signal(Signal::STOP)?;
    proc::until(patience(), || Ok((proc::state(pid)? == 'T').then_some(())))?;
    ensure!(error(&target)? == TakeError::IsStopped { pid });
    node.signal(Signal::CONT)?;
    node.healthy()?;

    let thread = Pid::from_raw(pid.cast_signed());
    ptrace::seize(thread, ptrace::Options::empty())?;
    let found = thread::scope(|scope| scope.spawn(|| error(&target)).join());
    ensure!(matches!(found, Ok(Ok(TakeError::Debugged { .. }))), "{found:?}");
    ptrace::interrupt(thread)?;
    nix::sys::wait::waitpid(thread, None)?;
    ptrace::detach(thread, None)?;
    node.healthy()?;

    ensure!(node.stop()?.success());
    ensure!(error(&target)? == TakeError::Gone { pid });
    Ok(())
}

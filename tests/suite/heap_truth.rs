//! The heap read from outside is the heap that V8 itself describes: each class in number and bytes, all objects, bytes of
//! array buffers; of every construct, and of servers that people run, also under load.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    panic::resume_unwind,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{
    container::Root,
    full, machine,
    node::{self, Node},
    patience, releases, skip, workspace,
};
use memwatch_user::{
    heap::{
        graph::{Graph, HeapGraph, NodeId},
        take::How,
    },
    v8::heap_layout::Kind,
};

use crate::{
    containers,
    heap_graph::{Count, Counts, LONG, counts, nodes, of_class, read, taken, unless_torn},
};

const KNOWN: &str = "heap_known";

/// Classes of `heap_known`, and how many of each it keeps. Of the values of its `WeakMap` half have a live key; what only
/// `WeakRef`s refer to is gone.
pub(crate) const CLASSES: [(&str, u64); 8] = [
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
/// Classes that extend `Map`.
const EXTEND_MAP: [&str; 2] = ["Cache", "Table20"];
/// Releases whose V8 has a heap that is not read.
const UNREAD: [&str; 2] = ["12.", "14."];
/// Clients that ask a server at once.
const CLIENTS: usize = 4;
/// Answers between two takes, and how often it is looked for them.
const MORE: u64 = 50;
const LOOK: Duration = Duration::from_millis(5);
/// All objects differ by one of so many at most: of a program that did nothing before, and of one that did much, whose stacks have
/// more that is stale (one of 900 was seen, express on Node 24).
const AT_REST: u64 = 2000;
const AFTER_MUCH: u64 = 500;
/// Names that a failure shows.
const SHOWN: usize = 12;
/// What Node reads its standard input into.
const INPUT: u64 = 64 << 10;

/// A test for each release. Those that are not among [`releases::chosen`] are run with `MEMWATCH_FULL=1` only.
macro_rules! on_every_release {
    ($($name:ident $version:literal),* $(,)?) => { $(
        #[test]
        fn $name() -> Result<()> {
            if !releases::chosen().contains(&$version) {
                return skip(concat!("Node ", $version), "only with MEMWATCH_FULL=1");
            }
            let _machine = machine::shared();
            let mut node = node::start($version, KNOWN)?.flag("--expose-gc").ready()?;
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
    let mut node = Root::of_build(name)?.node(KNOWN).flag("--expose-gc").ready()?;
    let pid = containers::node_inside(&node)?;
    equals_v8(&mut node, pid)
}

fn equals_v8(node: &mut Node, pid: u32) -> Result<()> {
    let both = Both::of(node, pid, AT_REST)?;
    for (name, count) in CLASSES {
        both.same(name, count)?;
    }
    let of = |counts: &Counts| counts["closure"].get(CLOSURES.0).copied().unwrap_or_default();
    ensure!(of(&both.ours).0 == CLOSURES.1, "{:?}", of(&both.ours));
    ensure!(of(&both.ours) == of(&both.theirs), "{:?} {:?}", of(&both.ours), of(&both.theirs));
    let sizes = both.array_buffers()?;
    ensure!(sizes.iter().filter(|size| **size == BUFFERS.0).count() == BUFFERS.1, "{sizes:?}");
    ensure!(node.stop()?.success());
    Ok(())
}

/// A heap as it is read from outside, and right after as V8 describes it.
struct Both {
    graph: Graph,
    ours: Counts,
    theirs: Counts,
}

impl Both {
    /// Of a process that has collected its garbage. The numbers of all objects differ by `one_of` so many at most.
    fn of(node: &mut Node, pid: u32, one_of: u64) -> Result<Self> {
        node.tell("gc")?;
        node.said("collected")?;
        let graph = taken(pid, LONG)?;
        let take = graph.take();
        ensure!(take.how == How::Stopped && !take.pause.is_zero(), "{:?}", take.how);
        ensure!(take.isolates[0].thread == Some(pid), "{:?}", take.isolates);
        node.tell("snapshot")?;
        let theirs: Counts = serde_json::from_str(&node.said("snapshot ")?)?;
        let both = Self { ours: counts(&graph), theirs, graph };
        both.all_objects(one_of)?;
        Ok(both)
    }

    /// Whether there are so many of a class, and of as many bytes as V8 says.
    fn same(&self, name: &str, count: u64) -> Result<()> {
        let of = |counts: &Counts| counts["object"].get(name).copied().unwrap_or_default();
        let (ours, theirs) = (of(&self.ours), of(&self.theirs));
        ensure!(ours.0 == count, "{} {name}, not {count}; {:?}", ours.0, self.graph.checks());
        // V8 9 calls objects of a class that extends `Map` by the name of `Map`.
        let is_named = theirs.0 > 0 || !EXTEND_MAP.contains(&name);
        ensure!(!is_named || ours == theirs, "{name}: {ours:?}, V8 says {theirs:?}");
        Ok(())
    }

    /// Whether the numbers of all objects differ by no more than that: taking a snapshot makes some objects itself.
    fn all_objects(&self, one_of: u64) -> Result<()> {
        // Variables of functions, which V8 shows among objects.
        let is_context = |name: &str| name == "system / Context";
        let of = |kind: &str| {
            let named = self.theirs[kind].iter().filter(|(name, _)| !is_context(name));
            named.map(|(_, count)| count.0).sum::<u64>()
        };
        let expected: u64 = ["object", "closure", "regexp"].map(of).iter().sum();
        // Proxies, which V8 does not show among objects.
        let is_object = |kind: Kind| kind.is_js_object() && kind != Kind::JsProxy;
        let found = nodes(&self.graph).filter(|node| is_object(self.graph.kind(*node))).count() as u64;
        let off = found.abs_diff(expected);
        let checks = self.graph.checks();
        ensure!(
            off * one_of <= expected,
            "{found}, V8 says {expected}: {:?}; {checks:?}",
            self.most_different()
        );
        Ok(())
    }

    /// The names whose numbers differ most, with ours and theirs.
    fn most_different(&self) -> Vec<(&String, u64, u64)> {
        let mut differing = Vec::new();
        for kind in ["object", "closure"] {
            let (ours, theirs) = (&self.ours[kind], &self.theirs[kind]);
            let of = |counts: &BTreeMap<String, Count>, name| counts.get(name).map_or(0, |count| count.0);
            let names = ours.keys().chain(theirs.keys());
            differing.extend(names.map(|name| (name, of(ours, name), of(theirs, name))));
        }
        differing.sort_unstable_by_key(|(name, ours, theirs)| (Reverse(ours.abs_diff(*theirs)), *name));
        differing.dedup();
        differing.truncate(SHOWN);
        differing
    }

    /// Bytes of each array buffer; an error if they differ by more than 1 in 1 000, and what was read since.
    fn array_buffers(&self) -> Result<Vec<u64>> {
        let is_buffer = |node: &NodeId| self.graph.kind(*node) == Kind::JsArrayBuffer;
        let buffers = nodes(&self.graph).filter(is_buffer);
        let sizes: Vec<u64> = buffers.map(|node| self.graph.external_bytes(node)).collect();
        let found: u64 = sizes.iter().sum();
        let behind = self.theirs["native"].get("system / JSArrayBufferData");
        let expected = behind.context("V8 has no array buffers")?.1;
        ensure!(found.abs_diff(expected) <= expected / 1000 + 2 * INPUT, "{found} bytes, V8 says {expected}");
        Ok(sizes)
    }
}

/// Each construct that holds or hides an object has a class, whose name ends with how many objects of it there are.
#[test]
fn every_construct_is_counted() -> Result<()> {
    let _machine = machine::shared();
    for version in heap_versions() {
        let mut node = node::start(version, "heap_constructs")?.flag("--expose-gc").ready()?;
        constructs(&mut node).with_context(|| format!("Node {version}"))?;
    }
    Ok(())
}

fn constructs(node: &mut Node) -> Result<()> {
    let source = fs::read_to_string(node::fixture("heap_constructs"))?;
    let pid = node.pid();
    let both = Both::of(node, pid, AFTER_MUCH)?;
    let mut classes = 0;
    for name in source.split("class ").skip(1).filter_map(|rest| rest.split([' ', '{']).next()) {
        let digits = name.trim_start_matches(|char: char| !char.is_ascii_digit());
        if let Ok(count) = digits.parse() {
            both.same(name, count)?;
            classes += 1;
        }
    }
    ensure!(classes > 30, "{classes} classes");
    both.array_buffers()?;
    ensure!(node.stop()?.success());
    Ok(())
}

#[test]
fn express_is_counted_under_load() -> Result<()> {
    on_servers("express")
}

#[test]
fn fastify_is_counted_under_load() -> Result<()> {
    on_servers("fastify")
}

/// A minute of all that the machine has, for each.
fn on_servers(framework: &str) -> Result<()> {
    if !full() {
        return skip(framework, "only with MEMWATCH_FULL=1");
    }
    let _machine = machine::shared();
    heap_versions().try_for_each(|version| {
        served_by(framework, version).with_context(|| format!("{framework}, Node {version}"))
    })
}

/// Releases whose heap is read.
fn heap_versions() -> impl Iterator<Item = &'static str> {
    let is_read = |version: &&str| !UNREAD.iter().any(|major| version.starts_with(major));
    releases::chosen().iter().copied().filter(is_read)
}

/// While requests are answered, each of which keeps an object: as many as there were answers, or the take is refused. Then, at
/// rest: what V8 says.
fn served_by(framework: &str, version: &str) -> Result<()> {
    let packages = workspace().join(".cache/servers/node_modules");
    ensure!(packages.exists(), "no packages at {}: run `cargo xtask setup`", packages.display());
    let path = format!("NODE_PATH={}", packages.display());
    let start = node::start(version, "heap_server")?.under(&["env", &path]);
    let mut node = start.flag("--expose-gc").argument(framework).ready()?;
    let load = Load::on(node.said("port ")?.parse()?);
    let answered = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| load.client())).collect();
        let counted = counted_under(&load, node.pid());
        load.is_over.store(true, Ordering::Relaxed);
        let outcomes =
            clients.into_iter().map(|client| client.join().unwrap_or_else(|panic| resume_unwind(panic)));
        outcomes.collect::<Result<Vec<()>>>()?;
        counted.map(|()| load.answered.load(Ordering::Relaxed))
    })?;
    let pid = node.pid();
    let both = Both::of(&mut node, pid, AFTER_MUCH)?;
    both.same("Session", answered)?;
    both.same("Order", answered)?;
    both.array_buffers()?;
    ensure!(node.stop()?.success());
    Ok(())
}

/// Takes under `load`.
fn counted_under(load: &Load, pid: u32) -> Result<()> {
    let (mut right, rounds) = (0, 50);
    for _ in 0..rounds {
        let least = load.reaches_more()?;
        let Some(graph) = unless_torn(read(pid, LONG))? else { continue };
        let most = load.asked.load(Ordering::Relaxed);
        for class in ["Session", "Order"] {
            let found = of_class(&graph, class).len() as u64;
            ensure!((least..=most).contains(&found), "{found} {class}, not {least} to {most}");
        }
        right += 1;
    }
    ensure!(right * 2 >= rounds, "only {right} of {rounds} takes were consistent");
    Ok(())
}

/// Requests to a server from several clients at once.
struct Load {
    port: u16,
    /// Requests that may have reached the server.
    asked: AtomicU64,
    /// Those that it has answered.
    answered: AtomicU64,
    is_over: AtomicBool,
}

impl Load {
    fn on(port: u16) -> Self {
        let [asked, answered] = [0, 0].map(AtomicU64::new);
        Self { port, asked, answered, is_over: AtomicBool::new(false) }
    }

    /// Asks until it is over, on one connection. An error unless every answer is one.
    fn client(&self) -> Result<()> {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.port))?);
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            write!(
                stream.get_mut(),
                "GET /orders/{number} HTTP/1.1\r\nhost: a\r\nuser-agent: {number}\r\n\r\n"
            )?;
            answer(&mut stream)?;
            self.answered.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Waits until some more requests are answered; how many are.
    fn reaches_more(&self) -> Result<u64> {
        let (start, before) = (Instant::now(), self.answered.load(Ordering::SeqCst));
        loop {
            let now = self.answered.load(Ordering::SeqCst);
            if now >= before + MORE {
                return Ok(now);
            }
            ensure!(start.elapsed() < patience(), "the server does not answer");
            thread::sleep(LOOK);
        }
    }
}

/// Reads an answer to its end.
fn answer(stream: &mut BufReader<TcpStream>) -> Result<()> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 200"), "{line:?}");
    let mut length = 0;
    while line != "\r\n" {
        line.clear();
        ensure!(stream.read_line(&mut line)? > 0, "half an answer");
        if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = bytes.trim().parse()?;
        }
    }
    stream.read_exact(&mut vec![0; length])?;
    Ok(())
}

//! Objects are followed from where they are made until they die: what is said to be alive is, and what is alive is not lost.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use memwatch_common::{stack::StackKey, survivors::Slot};
use memwatch_tests::{
    machine,
    node::{self, Node},
    proc,
    tool::{self, Tool},
};
use memwatch_user::{
    bpf::{
        attach::{Attachment, Binary, Place, Scope},
        load::{Kernel, Settings},
        multi,
        stacks::StackMaps,
    },
    host::{btf, features::Features, kernel},
    plan::{self, ProbeSite},
    report::record::{Kind, Measure},
    symbols::js::{Memory as _, ProcessMemory},
    target,
};

use super::js_stacks;

/// The first release whose objects are followed.
const FIRST: u32 = 18;
/// Bytes from one sample to the next: small, so that there are many.
const INTERVAL: u64 = 32 * 1024;
/// How long a fixture runs.
const RUN: Duration = Duration::from_secs(4);
/// What objects of the fixture carry, as V8 keeps small integers: in the upper half of a word.
const MARK: u64 = 0x5a17;
/// The kind of the fixture that is always kept.
const LEAKED: u64 = 1;

/// How a target is made difficult: by flags, and by so many workers.
const WEATHERS: [(&[&str], usize); 3] = [
    (&[], 0),
    (&["--gc-interval=20000"], 2),
    (&["--compact-on-every-full-gc", "--max-semi-space-size=1"], 0),
];

/// All that lives as long as objects are to be followed.
struct Following {
    maps: StackMaps,
    _kernel: Kernel,
    _live: [Attachment; 4],
}

impl Following {
    /// Follows what `pid` makes, beside no watch.
    fn of(pid: u32) -> Result<Self> {
        let target = target::examine(pid)?;
        let (plan, _) = plan::prepare(&target.image, None)?;
        let survivors = plan.survivors.as_ref().map_err(|reason| anyhow::anyhow!("{reason}"))?;
        let stacks = plan.stacks.as_ref().map_err(|reason| anyhow::anyhow!("{reason}"))?;
        let memory = ProcessMemory::open(pid)?;
        let layout = stacks.layout(target.image.bias, target.libc, |address, to| memory.read(address, to));
        let mut layout = layout.map_err(anyhow::Error::msg)?;
        layout.interval = INTERVAL;
        let features = Features::probe(kernel::Kernel::running().version, multi::is_supported());
        let task = btf::task_layout().context("the kernel does not describe its types")?;
        let settings = Settings { cookies: features.attach_cookie, follow_all: false, task, debug: false };
        let mut kernel = Kernel::load(settings)?;
        let mut maps = StackMaps::open(&mut kernel)?;
        kernel.walker().context("it is loaded once")?.load()?;
        kernel.programs.load_looker()?;
        kernel.maps.set_heap_layout(1, plan.heap_layout())?;
        let binary = Binary::of(&target.image)?;
        let mut attach = |sites: &[ProbeSite]| {
            let places: Vec<_> = sites.iter().map(Place::from).collect();
            kernel.programs.attach(1, &binary, Scope::File, &places)
        };
        let is_start = |site: &&ProbeSite| site.program.starts_with("alloc_");
        let (starts, others): (Vec<_>, Vec<_>) =
            plan.probes.iter().cloned().partition(|site| is_start(&site));
        let live = [attach(&others)?, attach(&survivors.looks)?, attach(&survivors.made)?, attach(&starts)?];
        kernel.maps.add_target(pid, 1)?;
        maps.walk(pid, layout)?;
        maps.survivors.follow(pid, survivors.layout())?;
        Ok(Self { maps, _kernel: kernel, _live: live })
    }

    /// Objects of each thread that has any.
    fn threads(&self, pid: u32) -> Result<Vec<(u64, Vec<Slot>)>> {
        let threads = proc::threads(pid)?.into_iter().map(|tid| u64::from(pid) << 32 | u64::from(tid));
        let old = threads.filter_map(|thread| Some((thread, self.maps.survivors.old(thread)?)));
        Ok(old.map(|(thread, old)| (thread, old.slots)).collect())
    }
}

/// What is alive in one thread: numbers by kind.
type Alive = BTreeMap<u64, BTreeSet<u64>>;

fn alive(said: &str) -> Result<Alive> {
    let said: BTreeMap<u64, Vec<u64>> = serde_json::from_str(said)?;
    let numbers = |(kind, numbers): (u64, Vec<u64>)| match (kind, &numbers[..]) {
        (LEAKED, [first, end]) => (kind, (*first..*end).collect()),
        _ => (kind, numbers.into_iter().collect()),
    };
    Ok(said.into_iter().map(numbers).collect())
}

/// Kind and number of the object at an address, if it is one of the fixture's.
fn marked(memory: &ProcessMemory, slot: &Slot) -> Option<(u64, u64)> {
    let word = |at: u64| {
        let mut word = [0; 8];
        memory.read(slot.address + at, &mut word).ok()?;
        Some(u64::from_le_bytes(word) >> 32)
    };
    // Of an array of small integers the elements; of an object what is in it. A smaller one has bytes of before behind it.
    [(16, 24), (24, 32)].into_iter().filter(|(_, number)| number + 8 <= slot.size).find_map(
        |(mark, number)| {
            let mark = word(mark)?;
            (mark >> 3 == MARK).then_some((mark & 7, word(number)?))
        },
    )
}

/// What is followed in all threads, beside what the fixture says.
#[derive(Debug, Default)]
struct Judged {
    /// Objects of the fixture's that are alive.
    alive: u64,
    /// Those that are not, in words.
    wrong: Vec<String>,
    /// Objects that are none of the fixture's: strings, arrays, what Node has made.
    others: u64,
    /// Of stacks that make only what is kept: samples that were taken.
    sampled: u64,
    /// Objects that are followed.
    followed: u64,
}

/// Compares what is followed with what the fixture says.
fn judge(node: &mut Node, following: &Following, workers: usize) -> Result<Judged> {
    node.tell("still")?;
    let mut said = vec![alive(&node.said("still")?)?];
    if workers > 0 {
        said.extend(
            node.said_times("alive", workers)?.iter().map(|said| alive(said)).collect::<Result<Vec<_>>>()?,
        );
    }
    let memory = ProcessMemory::open(node.pid())?;
    let mut judged = Judged::default();
    for (thread, slots) in following.threads(node.pid())? {
        let mut by_stack: HashMap<u64, (u64, u64)> = HashMap::new();
        for slot in &slots {
            let Some((kind, number)) = marked(&memory, slot) else {
                judged.others += 1;
                continue;
            };
            let is_alive = said.iter().any(|alive| alive.get(&kind).is_some_and(|of| of.contains(&number)));
            judged.alive += u64::from(is_alive);
            if !is_alive {
                judged.wrong.push(format!("{kind}:{number} with {} proofs", slot.proofs));
            }
            let counts = by_stack.entry(slot.stack).or_default();
            counts.0 += 1;
            counts.1 += u64::from(kind == LEAKED);
        }
        for (hash, _) in by_stack.into_iter().filter(|(_, (all, leaked))| all == leaked) {
            judged.sampled += following.maps.volume(StackKey { thread, hash }).samples;
            judged.followed += slots.iter().filter(|slot| slot.stack == hash).count() as u64;
        }
    }
    Ok(judged)
}

fn releases() -> impl Iterator<Item = &'static str> {
    js_stacks::releases().filter(|version| js_stacks::major(version) >= FIRST)
}

fn flags(version: &str) -> &'static [&'static str] {
    if js_stacks::major(version) >= 22 {
        &["--expose-gc", "--no-turbo-inlining", "--no-maglev"]
    } else {
        &["--expose-gc", "--no-turbo-inlining"]
    }
}

/// Before its first collection nothing that an isolate makes is followed: so many samples of each.
const BEFORE: u64 = 3;

#[test]
fn what_is_said_to_be_alive_is_and_nothing_alive_is_lost() -> Result<()> {
    let _machine = machine::shared();
    for version in releases() {
        for (weather, workers) in WEATHERS {
            let judged =
                in_weather(version, weather, workers).with_context(|| format!("{version} {weather:?}"))?;
            ensure!(judged.wrong.is_empty() && judged.alive > 50, "Node {version} {weather:?}: {judged:?}");
            // To V8 11 the object that a scavenge was made for is not seen: with a small young generation that is one in six.
            let is_seen = js_stacks::major(version) >= 22 || weather.len() < 2;
            let missing = judged.sampled.saturating_sub(judged.followed);
            let most = BEFORE * (workers as u64 + 1) + judged.sampled / 50;
            ensure!(!is_seen || missing <= most, "Node {version} {weather:?}: {judged:?}");
        }
    }
    Ok(())
}

/// Lets the fixture run for a while, with so many workers, and judges what is followed.
fn in_weather(version: &str, weather: &[&str], workers: usize) -> Result<Judged> {
    let start = node::start(version, "survivors")?.argument(&workers.to_string());
    let mut node =
        flags(version).iter().chain(weather).fold(start, |start, flag| start.flag(flag)).ready()?;
    let following = Following::of(node.pid())?;
    thread::sleep(RUN);
    let judged = judge(&mut node, &following, workers)?;
    node.healthy()?;
    Ok(judged)
}

/// Of so many bytes most are kept, and were made when they were followed.
const GROWN: u64 = 80_000_000;

/// Two lines make garbage, one makes what stays: it is the first that is named, as what is alive.
#[test]
fn the_line_that_makes_what_stays_is_named_first() -> Result<()> {
    let _machine = machine::shared();
    for version in releases() {
        let mut node = node::start(version, "leak_among_garbage")?.flag("--expose-gc").ready()?;
        let mut tool = Tool::start(&["--pid", &node.pid().to_string(), "--json", "--native", "off"])?;
        tool.wait("a heap that has grown", |record| {
            tool::gc(record).is_some_and(|gc| gc.after_bytes > Some(GROWN))
        })?;
        node.tell("gc")?;
        node.said("collected")?;
        let records = tool.interrupt()?.records()?;
        let mut heap =
            records.iter().filter_map(tool::verdict).filter(|verdict| verdict.kind == Kind::JsHeap);
        let last = heap.next_back().context("no verdict on the heap")?;
        let first = last.sites.first().with_context(|| format!("Node {version}: no sites in {last:?}"))?;
        let function = first.frames.first().and_then(|frame| frame.function.as_deref());
        let is_it = function == Some("remember") && first.measure == Measure::Live && first.share > 0.8;
        ensure!(is_it, "Node {version}: {:?}", last.sites);
    }
    Ok(())
}

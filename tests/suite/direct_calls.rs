//! Memory that an addon's function takes which compiled JavaScript called straight, without an exit frame: the line of each
//! call is true, or it is not told.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    num::NonZeroU32,
    ops::Range,
    os::unix::fs::FileExt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use memwatch_common::stack::{StackKey, stack_end, stack_start};
use memwatch_tests::{
    full, machine, native,
    node::{self, Node},
    patience, releases,
};
use memwatch_user::{
    bpf::{malloc::Tap, multi},
    host::btf,
    ingest,
    model::{Frame, FrameKind, Stack, origin},
    native::{sites::Seen, window},
    plan::{
        self, StackPlan,
        malloc::{self, MallocPlan, Scope},
    },
    report::record::{Body, Loss, Record},
    symbols::js::{Memory, ProcessMemory, Resolver},
    target::{self, maps},
};

use super::{
    js_stacks,
    native_callers::{self, Program},
};

/// Two lines that call the addon, the first from a function that is inlined.
const TWO_LINES: Program = Program { fixture: "fast_calls", callers: [("one", 0.75), ("seldom", 0.25)] };
/// V8 has had such calls since Node 16, by default since 20; the addon needs names of 18 and later.
const FIRST: u32 = 18;
const FLAG: &str = "--turbo-fast-api-calls";

/// What V8 does beside the usual, by the flags that make it.
const WEATHERS: [&[&str]; 3] = [
    &[],
    &["--stress-compaction", "--gc-interval=5000"],
    &["--compact-on-every-full-gc", "--gc-interval=3000"],
];

/// A window on the allocator, and how often names are read in it.
const WINDOW: Duration = Duration::from_millis(60);
const READING: Duration = Duration::from_millis(2);
/// Samples that are judged of each release.
const SAMPLES: u64 = 300;
/// So many of the marked calls are straight on every release: which of them are is TurboFan's decision.
const PLACES: usize = 5;
/// Share of the samples whose caller is told: where code is compiled anew, it is not.
const TOLD: f64 = 0.9;

fn releases() -> impl Iterator<Item = &'static str> {
    js_stacks::releases().filter(|version| js_stacks::major(version) >= FIRST)
}

/// The fixture, doing `works`, or all if there are none.
fn start(version: &str, flags: &[&str], works: &[&str]) -> Result<Node> {
    let addon = native::build(&["fast_calls"], &["-g", "-shared", "-fPIC"])?;
    let start = node::start(version, "fast_calls")?.flag(FLAG);
    let start = flags.iter().fold(start, |start, flag| start.flag(flag));
    let start = start.argument(addon.to_str().context("a path of UTF-8")?);
    works.iter().fold(start, |start, work| start.argument(work)).ready()
}

/// How often the addon's function was called since: straight, and through V8's API.
fn calls(node: &mut Node) -> Result<[u64; 2]> {
    node.tell("calls")?;
    let said = node.said("calls")?;
    let (fast, slow) = said.split_once(' ').context("two counts")?;
    Ok([fast.parse()?, slow.parse()?])
}

/// Lines and functions by what they pass to the addon.
type Marks = BTreeMap<u64, (u32, String)>;

fn marks() -> Result<Marks> {
    let text = fs::read_to_string(node::fixture("fast_calls"))?;
    let marked = |(line, text): (u32, &str)| {
        let (number, function) = text.split_once("// mark: ")?.1.split_once(' ')?;
        Some((number.parse().ok()?, (line, function.to_owned())))
    };
    Ok((1..).zip(text.lines()).filter_map(marked).collect())
}

/// What samples turned out to be.
#[derive(Debug, Default)]
struct Judged {
    told: u64,
    untold: u64,
    wrong: Vec<String>,
    /// By what they pass.
    places: BTreeMap<u64, u64>,
    /// Samples of other native code: how many have no exit frame and are noted by V8, and how many are not.
    others: [u64; 2],
}

/// A process whose allocator is looked at.
struct Watched {
    tap: Tap,
    resolver: Resolver<ProcessMemory>,
    memory: File,
    addon: Range<u64>,
    stacks: HashMap<StackKey, (Stack, u32, u32)>,
}

impl Watched {
    fn of(pid: NonZeroU32, malloc: &MallocPlan) -> Result<Self> {
        let target = target::examine(pid.get())?;
        let stacks: StackPlan = plan::prepare(&target.image, None)?.0.stacks.map_err(anyhow::Error::msg)?;
        let memory = ProcessMemory::open(pid.get())?;
        let read = |address, to: &mut [u8]| memory.read(address, to);
        let layout = stacks.layout(target.image.bias, target.libc, read).map_err(anyhow::Error::msg)?;
        let mut tap = Tap::load(malloc, false, multi::is_supported(), btf::task_layout()?)?;
        tap.walk(pid.get(), layout)?;
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        Ok(Self {
            tap,
            resolver: Resolver::new(memory, &stacks, root),
            memory: File::open(format!("/proc/{pid}/mem"))?,
            addon: addon(pid.get())?,
            stacks: HashMap::new(),
        })
    }

    fn window(&mut self, number: u64, marks: &Marks, judged: &mut Judged) -> Result<()> {
        let serial = window::serial(number, Seen::All);
        let Self { tap, resolver, stacks, .. } = self;
        let mut read = |tap: &mut Tap| {
            tap.drain_stacks(|bytes| {
                if let Ok(event) = ingest::stack(bytes) {
                    stacks.insert(event.key, (resolver.stack(&event), event.start, event.end));
                }
            });
        };
        window::open(tap, serial, |tap| {
            let until = Instant::now() + WINDOW;
            while Instant::now() < until {
                read(tap);
                thread::sleep(READING);
            }
        })?;
        let caught = window::caught(tap, serial);
        read(tap);
        for caught in caught {
            let sample = caught.sample;
            let Some((stack, start, end)) = self.stacks.get(&sample.copy.caller) else { continue };
            if self.addon.contains(&sample.call_site) {
                ensure!(*start == stack_start::DIRECT, "a call with an exit frame: {stack:?}");
                judged.judge(stack, self.passed(sample.address)?, marks);
            } else {
                judged.others[0] += u64::from(*start == stack_start::DIRECT);
                judged.others[1] += u64::from(*end == stack_end::NOWHERE);
            }
        }
        self.stacks.drain().for_each(|(key, _)| self.tap.forget_stack(key));
        Ok(())
    }

    /// What the call passed that took this block, which is never freed.
    fn passed(&self, block: u64) -> Result<u64> {
        let mut word = [0; 8];
        self.memory.read_exact_at(&mut word, block)?;
        Ok(u64::from_le_bytes(word))
    }
}

/// Where the addon is mapped.
fn addon(pid: u32) -> Result<Range<u64>> {
    let maps = maps::of(pid)?;
    let mut own = maps.iter().filter(|mapping| mapping.file_name() == b"built");
    let first = own.next().context("no addon")?;
    Ok(first.start..own.next_back().unwrap_or(first).end)
}

impl Judged {
    /// A stack is told where nothing up to the innermost function of the user's is unknown.
    fn judge(&mut self, stack: &Stack, passed: u64, marks: &Marks) {
        *self.places.entry(passed).or_default() += 1;
        let inner = origin(&stack.frames);
        let Some(frame) = stack.frames.get(inner).filter(|_| stack.frames[..inner].iter().all(is_known))
        else {
            self.untold += 1;
            return;
        };
        if !is_known(frame) {
            self.untold += 1;
        } else if marks.get(&passed).is_some_and(|mark| is_at(frame, mark)) {
            self.told += 1;
        } else {
            self.wrong.push(format!("{:?} instead of {:?}", stack.frames, marks.get(&passed)));
        }
    }
}

fn is_known(frame: &Frame) -> bool {
    frame.kind != FrameKind::Unknown
}

fn is_at(frame: &Frame, (line, function): &(u32, String)) -> bool {
    frame.line == Some(*line)
        && frame.function.as_deref() == Some(function)
        && frame.file.as_deref().is_some_and(|file| file.ends_with("fast_calls.js"))
}

#[test]
fn lines_that_call_without_an_exit_frame_are_told_apart() -> Result<()> {
    let _machine = machine::shared();
    for version in releases() {
        let mut node = start(version, &[], &["often", "seldom"])?;
        let records = native_callers::are_found_in(&mut node, "auto", &TWO_LINES)
            .with_context(|| format!("Node {version}"))?;
        let [fast, slow] = calls(&mut node)?;
        ensure!(fast > 0 && slow == 0, "{fast} calls were straight and {slow} were not");
        let losses = records.iter().rev().find_map(losses).context("no counts")?;
        let count = |reason: &str| losses.reasons.get(reason).copied().unwrap_or(0);
        let [direct, unknown] = ["direct-call", "no-exit-frame"].map(count);
        ensure!(losses.mended == direct && direct > 0, "{losses:?}");
        ensure!(direct as f64 > TOLD * (direct + unknown) as f64, "{losses:?}");
    }
    Ok(())
}

fn losses(record: &Record) -> Option<&Loss> {
    match &record.body {
        Body::Loss(loss) => Some(loss),
        _ => None,
    }
}

#[test]
fn a_call_without_an_exit_frame_is_told_truly_or_not_at_all() -> Result<()> {
    let _machine = machine::shared();
    let marks = marks()?;
    for version in releases() {
        let weathers = if full() || version == releases::USUAL { &WEATHERS[..] } else { &WEATHERS[..1] };
        for flags in weathers {
            each_call_is_true(version, flags, &marks).with_context(|| format!("Node {version} {flags:?}"))?;
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures of a run are what the report quotes")]
fn each_call_is_true(version: &str, flags: &[&str], marks: &Marks) -> Result<()> {
    let mut node = start(version, flags, &[])?;
    let pid = NonZeroU32::new(node.pid()).context("a pid")?;
    let malloc = malloc::prepare(pid.get(), &maps::of(pid.get())?)?;
    let mut watched = Watched::of(pid, &malloc)?;
    let armed = watched.tap.arm(pid, &malloc, Scope::Allocations)?;
    let (mut judged, deadline) = (Judged::default(), Instant::now() + patience());
    for number in 0.. {
        watched.window(number, marks, &mut judged)?;
        let is_enough = judged.told + judged.untold >= SAMPLES && judged.places.len() >= PLACES;
        if is_enough || Instant::now() > deadline {
            break;
        }
    }
    let _paid_by_nobody = armed.disarm();
    let [fast, slow] = calls(&mut node)?;
    println!("{version} {flags:?}: {fast} straight, {slow} not; {judged:?}");
    let Judged { told, untold, wrong, places, .. } = judged;
    ensure!(wrong.is_empty(), "{wrong:#?}");
    ensure!(told + untold >= SAMPLES && places.len() >= PLACES, "{told}, {untold}, {places:?}");
    ensure!(told as f64 > TOLD * (told + untold) as f64, "{told} of {}", told + untold);
    node.healthy()
}

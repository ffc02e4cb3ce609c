//! What windows say was allocated, beside what was: the addon counts what each of its functions takes.

use std::{fs::File, num::NonZeroU32, ops::Range, os::unix::fs::FileExt, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use memwatch_common::target::TaskLayout;
use memwatch_tests::{full, machine, node::Node, releases};
use memwatch_user::{
    bpf::{malloc::Tap, multi},
    native::{
        sites::{Call, Seen, Sites},
        window,
    },
    plan::malloc::{self, MallocPlan, Scope},
    target::maps,
};

use super::native_memory;

/// The functions whose bytes are counted, by the usable sizes of their blocks: one whose large blocks come first, and two
/// behind one call of `malloc`, which do not take turns.
const TAKERS: [&[u64]; 3] = [&[1000, 104, 120], &[504], &[200]];
/// Bytes by function.
type Bytes = [f64; TAKERS.len()];

/// What is counted is off by the blocks that are being handed out while a window opens or closes.
const COUNTED: f64 = 0.01;
/// Standard errors that what is sampled may be off by: 1 of 16 000 runs is.
const ERRORS: f64 = 4.0;
/// How much one sample tells of what the two functions share: the second has a fifth of the blocks, and 0.39 of the bytes.
/// Relative standard errors, for one sample: 0.77 and 0.48 of the share's, which is `sqrt(0.8 / 0.2)`.
const SPREAD: [f64; 2] = [0.77 * 2.0, 0.48 * 2.0];

const WINDOW: Duration = Duration::from_millis(60);
/// A window that is closed while blocks are being handed out.
const SHORT: Duration = Duration::from_millis(3);
/// So many of those: before windows were one word, one of some two hundred lost all that a function had taken.
const SHORT_WINDOWS: u64 = 300;
/// Two blocks of the largest: the addon counts a block once it has it.
const IN_FLIGHT: f64 = 2000.0;

fn windows() -> u64 {
    if full() { 500 } else { 50 }
}

/// The addon's counters, read from outside.
struct Counters {
    memory: File,
    address: u64,
}

impl Counters {
    fn of(node: &mut Node) -> Result<Self> {
        node.tell("taken")?;
        let address = node.said("taken")?.parse()?;
        Ok(Self { memory: File::open(format!("/proc/{}/mem", node.pid()))?, address })
    }

    fn read(&self) -> Result<Bytes> {
        let mut bytes = [0; 8 * TAKERS.len()];
        self.memory.read_exact_at(&mut bytes, self.address)?;
        let mut taken = [0.0; TAKERS.len()];
        for (taken, word) in taken.iter_mut().zip(bytes.chunks_exact(8)) {
            *taken = u64::from_le_bytes(word.try_into()?) as f64;
        }
        Ok(taken)
    }
}

/// Where the addon is mapped.
fn addon(pid: u32) -> Result<Range<u64>> {
    let maps = maps::of(pid)?;
    let mut own = maps.iter().filter(|mapping| mapping.file_name() == b"built");
    let first = own.next().context("no addon")?;
    Ok(first.start..own.next_back().unwrap_or(first).end)
}

/// A call of the function that `key` means.
fn call(call_site: u64, key: &[u64]) -> Call<'_> {
    Call { call_site, frames: key, key, callers: &[] }
}

/// Windows on the process, what they say, and what is true.
struct Comparison {
    tap: Tap,
    counters: Counters,
    addon: Range<u64>,
    sites: Sites,
    samples: u64,
    /// What was taken between the first and the last look at the counters within the windows, and around them: on a busy machine
    /// we may be kept from looking.
    within: Bytes,
    around: Bytes,
}

impl Comparison {
    /// On the process `pid`, with `plan` for its allocator.
    fn start(node: &mut Node, plan: &MallocPlan) -> Result<Self> {
        let tap = Tap::load(plan, false, multi::is_supported(), TaskLayout::UNKNOWN)?;
        let (counters, addon) = (Counters::of(node)?, addon(node.pid())?);
        let (sites, [within, around]) = (Sites::default(), [[0.0; TAKERS.len()]; 2]);
        Ok(Self { tap, counters, addon, sites, samples: 0, within, around })
    }

    fn window(&mut self, number: u64, length: Duration) -> Result<()> {
        let serial = window::serial(number, Seen::All);
        let (counters, mut within) = (&self.counters, None);
        let before = counters.read()?;
        window::open(&mut self.tap, serial, |_| {
            let opened = counters.read();
            thread::sleep(length);
            within = Some((opened, counters.read()));
        })?;
        let after = counters.read()?;
        let (opened, closing) = within.context("no window")?;
        add(&mut self.within, &opened?, &closing?);
        add(&mut self.around, &before, &after);
        self.sites.window(Seen::All, length.as_secs_f64());
        for caught in window::caught(&mut self.tap, serial) {
            let (call_site, size) = (caught.sample.call_site, caught.sample.size);
            let taker = TAKERS.iter().position(|sizes| sizes.contains(&size));
            if let Some(taker) = taker.filter(|_| self.addon.contains(&call_site)) {
                self.samples += u64::from(taker > 0);
                self.sites.sample(call(call_site, &[taker as u64]), Seen::All, caught.bytes);
            }
        }
        window::count(&self.tap, serial, Seen::All, &mut self.sites);
        Ok(())
    }

    /// By function, how far the estimate is from what can be true, as a share of it.
    fn errors(&self) -> Result<Bytes> {
        let mut errors = [0.0; TAKERS.len()];
        for (taker, error) in errors.iter_mut().enumerate() {
            let site = self.sites.find(call(0, &[taker as u64])).context("a function that no window met")?;
            let estimate = self.sites.bytes(site, Seen::All);
            *error = estimate / estimate.clamp(self.within[taker], self.around[taker]) - 1.0;
        }
        Ok(errors)
    }

    /// What was counted, what was taken within the windows, and what was taken around them: of the first function, and of both
    /// functions behind one call together.
    fn by_call(&self) -> [[f64; 2]; 3] {
        let site = |taker: u64| self.sites.find(call(0, &[taker]));
        let counted =
            [0, 1, 2].map(|taker| site(taker).map_or(0.0, |site| self.sites.bytes(site, Seen::All)));
        [counted, self.within, self.around].map(|[own, first, second]| [own, first + second])
    }

    /// The error of both functions behind one call together.
    fn shared(&self) -> f64 {
        let [estimate, within, around] = self.by_call().map(|[_, shared]| shared);
        estimate / estimate.clamp(within, around) - 1.0
    }
}

fn add(sums: &mut Bytes, before: &Bytes, after: &Bytes) {
    for (sum, (before, after)) in sums.iter_mut().zip(before.iter().zip(after)) {
        *sum += after - before;
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures of a run are what the report quotes")]
fn windows_say_what_was_allocated() -> Result<()> {
    let _machine = machine::shared();
    let mut node = native_memory::start(releases::USUAL, &["burst"])?;
    let pid = NonZeroU32::new(node.pid()).context("a pid")?;
    let plan = malloc::prepare(pid.get(), &maps::of(pid.get())?)?;
    let mut comparison = Comparison::start(&mut node, &plan)?;
    let armed = comparison.tap.arm(pid, &plan, Scope::Allocations)?;
    for number in 0..windows() {
        // Not in step with what is done every 10 ms.
        thread::sleep(Duration::from_micros(20_000 + number * 7919 % 10_000));
        comparison.window(number, WINDOW)?;
    }
    let _paid_by_nobody = armed.disarm();
    let [own, first, second] = comparison.errors()?;
    let shared = comparison.shared();
    let sampled = SPREAD.map(|spread| ERRORS * spread / (comparison.samples as f64).sqrt());
    let doubt = 1.0 - comparison.within[0] / comparison.around[0];
    println!(
        "known to {doubt:.4}; counted: {own:.4} {shared:.4}; sampled: {first:.3} {second:.3}, may be {sampled:.3?}"
    );
    ensure!(doubt < 0.3, "we were kept from looking: {doubt}");
    ensure!(own.abs() < COUNTED && shared.abs() < COUNTED, "{own} {shared}");
    ensure!(first.abs() < sampled[0] + COUNTED && second.abs() < sampled[1] + COUNTED, "{first} {second}");
    ensure!(comparison.tap.losses(node.pid())?.is_empty(), "{:?}", comparison.tap.losses(node.pid())?);
    node.healthy()
}

/// Each window on a process that allocates all the time counts what was taken while it was open.
#[test]
fn a_window_that_closes_amid_allocations_loses_nothing() -> Result<()> {
    let _machine = machine::shared();
    let mut node = native_memory::start(releases::USUAL, &["bursts"])?;
    let pid = NonZeroU32::new(node.pid()).context("a pid")?;
    let plan = malloc::prepare(pid.get(), &maps::of(pid.get())?)?;
    let mut comparison = Comparison::start(&mut node, &plan)?;
    let armed = comparison.tap.arm(pid, &plan, Scope::Allocations)?;
    let mut before = [[0.0; 2]; 3];
    for number in 0..SHORT_WINDOWS {
        comparison.window(number, SHORT)?;
        let sums = comparison.by_call();
        for call in 0..2 {
            let [counted, within, around] = [0, 1, 2].map(|part| sums[part][call] - before[part][call]);
            ensure!(
                (within - IN_FLIGHT..=around + IN_FLIGHT).contains(&counted),
                "window {number}, call {call}: {counted} bytes counted, {within} to {around} taken"
            );
        }
        before = sums;
    }
    let _paid_by_nobody = armed.disarm();
    node.healthy()
}

//! What windows say was allocated, beside what was: the addon counts what each of its functions takes.

use std::{fs::File, num::NonZeroU32, ops::Range, os::unix::fs::FileExt, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use memwatch_tests::{full, machine, node::Node, releases};
use memwatch_user::{
    bpf::{malloc::Tap, multi},
    native::{
        sites::Seen,
        window::{self, Caught},
    },
    plan::malloc::{self, Scope},
    target::maps,
};

use super::native_memory;

/// The functions whose bytes are counted, by the usable sizes of their blocks: blocks of one call site that come large ones
/// first, and two functions behind another call site, which do not take turns.
const TAKERS: [(&str, &[u64]); 3] =
    [("of many sizes", &[1000, 104, 120]), ("the first to be passed on", &[504]), ("the second", &[200])];
/// Bytes by function.
type Bytes = [f64; TAKERS.len()];

const WINDOW: Duration = Duration::from_millis(60);

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

fn estimated(caught: &[Caught], addon: &Range<u64>) -> Bytes {
    let mut bytes = [0.0; TAKERS.len()];
    for Caught { sample, bytes: stands_for, .. } in caught {
        let taker = TAKERS.iter().position(|(_, sizes)| sizes.contains(&sample.size));
        if let Some(taker) = taker.filter(|_| addon.contains(&sample.call_site)) {
            bytes[taker] += stands_for;
        }
    }
    bytes
}

/// By function, the mean over all windows of how far the estimate is off, as a share of what was taken on average; and the
/// standard error of that mean.
fn errors(estimates: &[Bytes], truths: &[Bytes]) -> Vec<(f64, f64)> {
    let n = truths.len() as f64;
    let of = |taker: usize| {
        let usual = truths.iter().map(|truth| truth[taker]).sum::<f64>() / n;
        let off = |(estimate, truth): (&Bytes, &Bytes)| (estimate[taker] - truth[taker]) / usual;
        let errors: Vec<f64> = estimates.iter().zip(truths).map(off).collect();
        let mean = errors.iter().sum::<f64>() / n;
        let variance = errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, (variance / n).sqrt())
    };
    (0..TAKERS.len()).map(of).collect()
}

#[test]
fn windows_say_what_was_allocated() -> Result<()> {
    let _machine = machine::shared();
    let mut node = native_memory::start(releases::USUAL, &["burst"])?;
    let pid = NonZeroU32::new(node.pid()).context("a pid")?;
    let (counters, addon) = (Counters::of(&mut node)?, addon(pid.get())?);
    let plan = malloc::prepare(pid.get(), &maps::of(pid.get())?)?;
    let mut tap = Tap::load(&plan, false, multi::is_supported())?;
    let armed = tap.arm(pid, &plan, Scope::Allocations)?;
    let (mut estimates, mut truths) = (Vec::new(), Vec::new());
    for number in 0..windows() {
        // Not in step with what is done every 10 ms.
        thread::sleep(Duration::from_micros(20_000 + number * 7919 % 10_000));
        let serial = window::serial(number, Seen::All);
        let before = counters.read()?;
        window::open(&mut tap, serial, || thread::sleep(WINDOW))?;
        let after = counters.read()?;
        estimates.push(estimated(&window::caught(&mut tap, serial), &addon));
        truths.push(std::array::from_fn(|taker| after[taker] - before[taker]));
    }
    let _paid_by_nobody = armed.disarm();
    for ((name, _), (mean, deviation)) in TAKERS.iter().zip(errors(&estimates, &truths)) {
        println!("{name}: {mean:.4} +- {deviation:.4}");
    }
    ensure!(tap.losses()?.is_empty(), "{:?}", tap.losses()?);
    node.healthy()
}

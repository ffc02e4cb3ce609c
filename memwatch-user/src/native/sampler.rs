//! `auto` and `growth`: waits for the alarm, opens windows that the governor allows, and looks at what they caught.

use std::{
    collections::HashSet,
    num::NonZeroU32,
    thread::{self, JoinHandle},
    time::Duration,
};

use memwatch_common::native::{NativeCount, Window};

use super::{
    Decision, Desk, Holder, Known, Mode,
    alarm::Alarm,
    anonymous_bytes,
    callers::Callers,
    governor::{Governor, Opening},
    memory::Memory,
    sites::{Call, Seen, Sites},
    symbols::Names,
    unwind::Stacks,
    verify::Verify,
};
use crate::{
    bpf::malloc::Tap,
    host::clock,
    model::Mono,
    plan::malloc::{MallocPlan, Scope},
};

/// How often /proc is read.
const READING: Duration = Duration::from_secs(1);
/// How often what is known is told anew.
const TELLING: Duration = Duration::from_secs(2);
/// How often the governor tells what it does while that stays the same.
const REPEATING: Duration = Duration::from_secs(30);
/// Samples a call site, CPU and window, more or less: enough to see every site, few enough for the ring buffer.
const SAMPLES: u64 = 6;
/// Sites that are told.
const MOST_HOLDERS: usize = 10;
/// A walk of a stack of JavaScript takes 5 µs (docs/performance.md), about as long as two traps.
const TRAPS_OF_WALK: u64 = 2;
/// Time after a window in which its last samples arrive.
const ARRIVAL: Duration = Duration::from_millis(2);

/// Follows a process until it is told to stop. Without a plan it only watches the growth.
pub(super) fn run(desk: &Desk, plan: Option<&MallocPlan>) {
    let mut watch = Watch { desk, alarm: Alarm::default(), alarmed: false };
    let mut sampling: Option<Sampling<'_>> = None;
    let mut reading = clock::now();
    loop {
        let now = clock::now();
        if now >= reading {
            watch.read(now);
            reading = now.later(READING);
        }
        if watch.alarmed && sampling.is_none() {
            sampling = plan.and_then(|plan| Sampling::start(desk, plan));
        }
        let next = sampling.as_mut().map(|sampling| sampling.turn(now, watch.alarmed));
        if !desk.wait(next.map_or(reading, |next| next.min(reading))) {
            break;
        }
    }
    if let Some(sampling) = sampling {
        sampling.end();
    }
}

/// The alarm, and telling of it.
struct Watch<'a> {
    desk: &'a Desk,
    alarm: Alarm,
    alarmed: bool,
}

impl Watch<'_> {
    fn read(&mut self, now: Mono) {
        let pid = self.desk.id.pid;
        let alarmed = self.alarm.reading(now, anonymous_bytes(pid), Memory::program_break(pid));
        if alarmed != self.alarmed {
            self.alarmed = alarmed;
            let reason = if alarmed {
                "it takes more anonymous memory than it had so far"
            } else {
                "its anonymous memory has not grown for 90 s: no probe is armed"
            };
            self.desk.decide(Decision {
                at: now,
                mode: Mode::Growth.name(),
                traps_per_s: 0.0,
                cost_pct: 0.0,
                coverage: 0.0,
                reason: reason.to_owned(),
            });
        }
    }
}

/// Probes of a window that are on their way out.
struct Leaving {
    /// Says how long the target met them.
    thread: JoinHandle<Duration>,
    seen: Seen,
    traps_per_s: f64,
}

/// Windows and what they caught.
struct Sampling<'a> {
    desk: &'a Desk,
    plan: &'a MallocPlan,
    pid: NonZeroU32,
    tap: Tap,
    governor: Governor,
    memory: Memory,
    callers: Callers,
    stacks: Stacks,
    names: Names,
    sites: Sites,
    verify: Verify,
    since: Mono,
    serial: u64,
    leaving: Option<Leaving>,
    tell: Mono,
    repeat: Mono,
}

impl<'a> Sampling<'a> {
    fn start(desk: &'a Desk, plan: &'a MallocPlan) -> Option<Self> {
        let pid = NonZeroU32::new(desk.id.pid)?;
        let loaded = || -> anyhow::Result<(Tap, Memory, Callers)> {
            let mut tap = Tap::load(plan, false, desk.multi, desk.task())?;
            tap.prepare(plan, Scope::Allocations)?;
            let callers = Callers::start(&mut tap, desk.id.pid, desk.javascript.as_ref())?;
            Ok((tap, Memory::open(desk.id.pid)?, callers))
        };
        let (tap, memory, callers) = match loaded() {
            Ok(loaded) => loaded,
            Err(error) => {
                log::warn!("the native memory of process {pid} is not followed: {error:#}");
                return None;
            }
        };
        let now = clock::now();
        Some(Self {
            desk,
            plan,
            pid,
            tap,
            governor: Governor::new(desk.budget_pct, plan.has_misses()),
            memory,
            callers,
            stacks: Stacks::of(desk.id.pid),
            names: Names::of(desk.id.pid),
            sites: Sites::default(),
            verify: Verify::default(),
            since: now,
            serial: 0,
            leaving: None,
            tell: now,
            repeat: now.later(TELLING),
        })
    }

    /// Does what is due. Returns when there is something to do next.
    fn turn(&mut self, now: Mono, alarmed: bool) -> Mono {
        self.verify.look(now, &mut self.memory, &mut self.sites);
        let is_leaving = self.is_leaving(now);
        if alarmed
            && !is_leaving
            && let Some(opening) = self.governor.due(now)
            && let Err(error) = self.window(&opening)
        {
            log::warn!("a window on the allocator of process {} failed: {error:#}", self.pid);
        }
        if now >= self.tell {
            self.tell = now.later(TELLING);
            self.tell_known(now);
        }
        if now >= self.repeat && alarmed {
            self.repeat = now.later(REPEATING);
            self.tell_governor(now);
        }
        let window = self.governor.next().filter(|_| alarmed && !is_leaving);
        let soon = now.later(if is_leaving { Duration::from_millis(50) } else { TELLING });
        [window, self.verify.next(), Some(self.tell)]
            .into_iter()
            .flatten()
            .min()
            .map_or(soon, |next| next.min(soon))
    }

    /// Whether probes of the last window are still there; what that cost is charged when they have gone.
    fn is_leaving(&mut self, now: Mono) -> bool {
        let gone = self.leaving.take_if(|leaving| leaving.thread.is_finished());
        if let Some(Leaving { thread, seen, traps_per_s }) = gone
            && let Ok(took) = thread.join()
        {
            self.governor.left(now, seen, took, traps_per_s);
        }
        self.leaving.is_some()
    }

    /// Opens a window, waits, closes it, and takes in what it caught. Blocks that are handed out while probes come and go
    /// are not counted, or rates would be wrong.
    fn window(&mut self, opening: &Opening) -> anyhow::Result<()> {
        let scope = match opening.seen {
            Seen::Misses => Scope::Misses,
            Seen::All => Scope::Allocations,
        };
        self.serial += 1;
        let before = self.traps();
        self.tap.set_window(Window::default())?;
        let armed = self.tap.arm(self.pid, self.plan, scope);
        let from = clock::now();
        if armed.is_ok() {
            self.tap.set_window(Window {
                serial: self.serial,
                samples: SAMPLES,
                kind: opening.seen as u64,
            })?;
            self.callers.wait(&mut self.tap, opening.length);
            self.tap.set_window(Window::default())?;
        }
        let until = clock::now();
        let armed = armed?;
        let thread = thread::spawn(move || armed.disarm());
        thread::sleep(ARRIVAL);
        let traps = self.traps() - before;
        self.governor.measured(&self.tap.gaps());
        self.governor.account(until, opening.seen, until.since(from), traps);
        // While a thread is in a trap it allocates nothing.
        let length_s = until.since(from).as_secs_f64();
        let traps_per_s = traps as f64 / length_s.max(1e-3);
        self.leaving = Some(Leaving { thread, seen: opening.seen, traps_per_s });
        self.sites
            .window(opening.seen, (length_s - traps as f64 * self.governor.burst_s()).max(length_s / 5.0));
        self.take(opening.seen);
        Ok(())
    }

    /// What the target has paid for so far, in traps.
    fn traps(&self) -> u64 {
        self.tap.count(NativeCount::Traps) + TRAPS_OF_WALK * self.tap.walks(self.desk.id.pid)
    }

    fn take(&mut self, seen: Seen) {
        self.callers.read(&mut self.tap);
        let (mut samples, serial) = (Vec::new(), self.serial);
        self.tap.drain(|sample| samples.push(sample));
        let addresses: HashSet<u64> = samples.iter().map(|sample| sample.address).collect();
        let reused: HashSet<u64> =
            addresses.into_iter().filter(|address| self.tap.was_reused(*address)).collect();
        for sample in samples.iter().filter(|sample| sample.window == serial) {
            let frames = self.stacks.walk(sample);
            let call =
                Call { frames: &frames, key: self.stacks.key(&frames), callers: self.callers.of(sample) };
            if let Some(site) = self.sites.sample(call, seen, (sample.weight * sample.size) as f64) {
                self.verify.add(sample, site, seen, reused.contains(&sample.address));
            }
        }
        self.callers.forget(&mut self.tap);
    }

    fn tell_known(&mut self, now: Mono) {
        let seconds = now.since(self.since).as_secs_f64();
        let mut holding = self.sites.holding();
        holding.truncate(MOST_HOLDERS);
        let holders = holding.iter().map(|estimate| Holder {
            share: estimate.share,
            bytes: whole(estimate.bytes_per_s * seconds),
            n: estimate.n,
            interval: Some(estimate.interval.map(|live| (estimate.share * live / estimate.live).min(1.0))),
            frames: self.names.name(&estimate.frames),
            callers: estimate.callers.clone(),
        });
        self.desk.publish(Known {
            holders: holders.collect(),
            outstanding: None,
            losses: self.tap.losses().unwrap_or_default(),
            cost_pct: self.governor.spent(now).cost_pct,
        });
    }

    fn tell_governor(&self, now: Mono) {
        let spent = self.governor.spent(now);
        let slowed = if self.desk.multi { "while it lasts" } else { "for up to a second" };
        let reason = format!(
            "a trap costs it {:.1} µs; sees blocks of malloc's slow path {:.1} % of the time and all blocks {:.2} %, in \
             windows of up to 0.1 s, each of which slows it down {slowed}; does not see frees, nor sites that never \
             allocate in a window; {} sites change their blocks too much to tell",
            self.governor.trap_s() * 1e6,
            100.0 * spent.misses,
            100.0 * spent.all,
            self.sites.uncertain(),
        );
        self.desk.decide(Decision {
            at: now,
            mode: Mode::Auto.name(),
            traps_per_s: spent.traps_per_s,
            cost_pct: spent.cost_pct,
            coverage: spent.all,
            reason,
        });
    }

    fn end(self) {
        if let Some(leaving) = self.leaving {
            let _panicked = leaving.thread.join();
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates; a size is never negative"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

//! `auto` and `growth`: waits for the alarm, opens windows that the governor allows, and looks at what they caught.

use std::{
    num::NonZeroU32,
    thread::{self, JoinHandle},
    time::Duration,
};

use memwatch_common::{loss::LossReason, native::NativeCount};

use super::{
    Decision, Desk, Holder, Known, Mode, TakenBy,
    alarm::Alarm,
    anonymous_bytes,
    callers::Callers,
    error::NativeError,
    governor::{Governor, Opening, Spent},
    memory::Memory,
    sites::{Call, Seen, Sites},
    symbols::Names,
    unwind::Stacks,
    verify::Verify,
    window::{self, Caught},
};
use crate::{
    bpf::{losses::add, malloc::Tap},
    host::clock,
    model::Mono,
    plan::malloc::{MallocPlan, Scope},
};

/// How the debug line about a window begins; the benchmarks look for it.
const WINDOW: &str = "a window on the allocator of process";
/// How often /proc is read.
const READING: Duration = Duration::from_secs(1);
/// How often what is known is told anew.
const TELLING: Duration = Duration::from_secs(2);
/// How often the governor tells what it does while that stays the same.
const REPEATING: Duration = Duration::from_secs(30);
/// Sites that are told.
const MOST_HOLDERS: usize = 10;
/// A walk of a stack of JavaScript takes 5 µs (docs/performance.md), about as long as two traps.
const TRAPS_OF_WALK: u64 = 2;

/// Follows a process until it is told to stop. Without a plan it only watches the growth.
pub(super) fn run(desk: &Desk, plan: Option<&MallocPlan>) {
    let mut watch = Watch { desk, alarm: Alarm::default(), alarmed: false };
    // Taken when it is tried: what the kernel refuses once it refuses each time.
    let mut plan = plan;
    let mut sampling: Option<Sampling<'_>> = None;
    let mut reading = clock::now();
    loop {
        let now = clock::now();
        if now >= reading {
            watch.read(now);
            reading = now.later(READING);
        }
        if watch.alarmed && sampling.is_none() {
            sampling = plan.take().and_then(|plan| Sampling::start(desk, plan));
        }
        let turn = sampling.as_mut().map(|sampling| sampling.turn(now, watch.alarmed)).transpose();
        let next = turn.unwrap_or_else(|error| {
            desk.refuse(&error);
            sampling.take().into_iter().for_each(Sampling::end);
            None
        });
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
            self.desk.alarm(alarmed);
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
    stacks: Stacks<'a>,
    names: Names,
    sites: Sites,
    verify: Verify,
    since: Mono,
    windows: u64,
    leaving: Option<Leaving>,
    tell: Mono,
    repeat: Mono,
}

impl<'a> Sampling<'a> {
    fn start(desk: &'a Desk, plan: &'a MallocPlan) -> Option<Self> {
        let (pid, marks) = (NonZeroU32::new(desk.id.pid)?, plan.marks.ok()?);
        let loaded = || -> Result<(Tap, Memory, Callers), NativeError> {
            let mut tap = Tap::load(plan, false, desk.multi, desk.task())?;
            tap.prepare(plan, Scope::Allocations)?;
            let callers = Callers::start(&mut tap, desk.id.pid, desk.javascript.as_ref())?;
            Ok((tap, Memory::open(desk.id.pid).map_err(NativeError::Memory)?, callers))
        };
        let (tap, memory, callers) = match loaded() {
            Ok(loaded) => loaded,
            Err(error) => {
                desk.refuse(&error);
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
            stacks: Stacks::of(desk.id.pid, &plan.frames),
            names: Names::of(desk.id.pid),
            sites: Sites::default(),
            verify: Verify::of(marks),
            since: now,
            windows: 0,
            leaving: None,
            tell: now,
            repeat: now.later(TELLING),
        })
    }

    /// Does what is due. Returns when there is something to do next.
    fn turn(&mut self, now: Mono, alarmed: bool) -> Result<Mono, NativeError> {
        self.verify.look(now, &mut self.memory, &mut self.sites);
        let is_leaving = self.is_leaving(now);
        if alarmed
            && !is_leaving
            && let Some(opening) = self.governor.due(now)
            && let Err(error) = self.window(&opening)
        {
            log::warn!("a window on the allocator of process {} failed: {error:#}", self.pid);
            self.governor.failed(now, opening.seen);
        }
        if now >= self.tell {
            self.tell = now.later(TELLING);
            self.tell_known(now)?;
        }
        if now >= self.repeat && alarmed {
            self.repeat = now.later(REPEATING);
            self.tell_governor(now);
        }
        let window = self.governor.next().filter(|_| alarmed && !is_leaving);
        let soon = now.later(if is_leaving { Duration::from_millis(50) } else { TELLING });
        let next = [window, self.verify.next(), Some(self.tell), Some(soon)].into_iter().flatten().min();
        Ok(next.unwrap_or(soon))
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

    /// Opens a window, waits, closes it, and takes in what it caught.
    fn window(&mut self, opening: &Opening) -> Result<(), NativeError> {
        let scope = match opening.seen {
            Seen::Misses => Scope::Misses,
            Seen::All => Scope::Allocations,
        };
        let serial = window::serial(self.windows, opening.seen);
        self.windows += 1;
        let pid = self.desk.id.pid;
        let before = traps(&self.tap, pid);
        let began = clock::now();
        let armed = self.tap.arm(self.pid, self.plan, scope)?;
        let from = clock::now();
        let callers = &mut self.callers;
        let may_go_on = |tap: &Tap| traps(tap, pid) - before < opening.most_traps;
        window::open(&mut self.tap, serial, |tap| callers.wait(tap, opening.length, may_go_on))?;
        let until = clock::now();
        let thread = thread::spawn(move || armed.disarm());
        let caught = window::caught(&mut self.tap, serial);
        let traps = traps(&self.tap, pid) - before;
        log::debug!("{WINDOW} {pid}: {:?}, from {} to {} ns, {traps} traps", opening.seen, began.0, until.0);
        self.governor.measured(&self.tap.gaps());
        self.governor.account(until, opening.seen, until.since(from), traps);
        // While a thread is in a trap it allocates nothing.
        let length_s = until.since(from).as_secs_f64();
        let traps_per_s = traps as f64 / length_s.max(1e-3);
        self.leaving = Some(Leaving { thread, seen: opening.seen, traps_per_s });
        self.sites
            .window(opening.seen, (length_s - traps as f64 * self.governor.burst_s()).max(length_s / 5.0));
        self.take(opening.seen, serial, caught);
        Ok(())
    }

    fn take(&mut self, seen: Seen, serial: u64, caught: Vec<Caught>) {
        // After the samples: the caller of each was sent before it.
        self.callers.read(&mut self.tap);
        for Caught { sample, bytes, reused } in caught {
            let frames = self.stacks.walk(&sample);
            let (key, callers) = (self.stacks.key(&frames), self.callers.of(&sample));
            let call = Call { call_site: sample.call_site, frames: &frames, key, callers };
            if let Some(site) = self.sites.sample(call, seen, bytes) {
                self.verify.add(&sample, site, seen, reused);
            }
        }
        window::count(&self.tap, serial, seen, &mut self.sites);
        self.callers.forget(&mut self.tap);
    }

    fn tell_known(&mut self, now: Mono) -> Result<(), NativeError> {
        let seconds = now.since(self.since).as_secs_f64();
        let mut holding = self.sites.holding();
        holding.truncate(MOST_HOLDERS);
        let holders = holding.iter().map(|estimate| Holder {
            by: TakenBy::Malloc,
            share: estimate.share,
            bytes: whole(estimate.bytes_per_s * seconds),
            n: estimate.n,
            interval: Some(estimate.interval.map(|live| (estimate.share * live / estimate.live).min(1.0))),
            frames: self.names.name(&estimate.frames),
            callers: estimate.callers.clone(),
        });
        let holders = holders.collect();
        let Spent { cost_pct, cost_s, .. } = self.governor.spent(now);
        let mut losses = self.tap.losses(self.desk.id.pid)?;
        add(&mut losses, self.callers.losses());
        add(&mut losses, [(LossReason::SitesFull, self.sites.left_out)]);
        self.desk.publish(Known { holders, outstanding: None, losses, cost_pct, cost_s });
        Ok(())
    }

    fn tell_governor(&self, now: Mono) {
        let spent = self.governor.spent(now);
        let slowed = if self.desk.multi { "while it lasts" } else { "for up to a second" };
        let misses = if self.plan.has_misses() {
            format!("blocks of malloc's slow path {:.1} % of the time and ", 100.0 * spent.misses)
        } else {
            String::new()
        };
        let reason = format!(
            "a trap costs it {:.1} µs; sees {misses}all blocks {:.2} %, in windows of up to 0.1 s, each of which slows it down \
             {slowed}; does not see frees{}, nor sites that never allocate in a window; {} sites change their blocks too \
             much to tell",
            self.governor.trap_s() * 1e6,
            100.0 * spent.all,
            self.plan.unseen(Scope::Allocations).map(|what| format!(", nor {what}")).unwrap_or_default(),
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

/// What the process has paid for so far, in traps.
fn traps(tap: &Tap, pid: u32) -> u64 {
    tap.count(NativeCount::Traps) + TRAPS_OF_WALK * tap.walks(pid)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates; a size is never negative"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

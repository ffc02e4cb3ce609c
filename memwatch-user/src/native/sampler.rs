//! `auto`: opens windows that the governor allows, and looks at what they caught.

use std::{
    borrow::Cow,
    io,
    num::NonZeroU32,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use memwatch_common::{loss::LossReason, native::NativeCount};

use super::{
    Decision, Holder, Known, Mode, NativeError,
    callers::Callers,
    context::Context,
    governor::{Governor, Opening, Spent},
    memory::Memory,
    sites::{Call, Seen, Sites},
    symbols::Names,
    unwind::Stacks,
    verify::Verify,
    window::{self, Caught},
};
use crate::{
    bpf::{
        losses::{Counts, add},
        malloc::Tap,
    },
    host::clock,
    model::Mono,
    plan::malloc::{MallocPlan, Scope},
    vocabulary::TakenBy,
};

/// How the debug line about a window begins; the benchmarks look for it.
const WINDOW: &str = "a window on the allocator of process";
/// How often what is known is told anew.
const TELLING: Duration = Duration::from_secs(2);
/// How often the governor tells what it does while that stays the same.
const REPEATING: Duration = Duration::from_secs(30);
/// Sites that are told.
const MOST_HOLDERS: usize = 10;
/// A walk of a stack of JavaScript takes 5 µs (docs/performance.md), about as long as two traps.
const TRAPS_OF_WALK: u64 = 2;

/// Probes of a window that are on their way out.
struct Leaving {
    /// Says how long the target met them.
    thread: JoinHandle<Duration>,
    seen: Seen,
    traps_per_s: f64,
}

/// Windows and what they caught.
pub(super) struct Sampling {
    context: Arc<Context>,
    plan: Arc<MallocPlan>,
    pid: NonZeroU32,
    tap: Tap,
    memory: Memory,
    callers: Callers,
    stacks: Stacks<'static>,
    names: Names,
    verify: Verify,
    leaving: Option<Leaving>,
    next: Mono,
    tell: Mono,
    repeat: Mono,
    found: Parked,
}

/// What stays of that while the process is not followed.
pub(super) struct Parked {
    governor: Governor,
    sites: Sites,
    since: Mono,
    windows: u64,
    /// Losses of instances of the object that are gone.
    losses: Counts,
}

impl Parked {
    fn new(context: &Context, plan: &MallocPlan) -> Self {
        let governor = Governor::new(context.budget_pct, plan.has_misses());
        let (sites, losses) = (Sites::default(), Counts::new());
        Self { governor, sites, since: clock::now(), windows: 0, losses }
    }
}

impl Sampling {
    /// Begins, or goes on where it was parked.
    pub(super) fn start(
        context: &Arc<Context>,
        plan: &Arc<MallocPlan>,
        parked: Option<Box<Parked>>,
    ) -> Result<Self, NativeError> {
        let nobody = || NativeError::Memory(io::ErrorKind::NotFound.into());
        let pid = NonZeroU32::new(context.id.pid).ok_or_else(nobody)?;
        let marks =
            plan.marks.map_err(|why| NativeError::NoMarks { allocator: plan.allocator.name(), why })?;
        let mut tap = Tap::load(plan, false, context.multi, context.task())?;
        tap.prepare(plan, Scope::Allocations)?;
        let callers = Callers::start(&mut tap, pid.get(), context.javascript.as_ref())?;
        let memory = Memory::open(pid.get()).map_err(NativeError::Memory)?;
        let now = clock::now();
        Ok(Self {
            pid,
            tap,
            memory,
            callers,
            stacks: Stacks::over(pid.get(), Cow::Owned(plan.frames.clone())),
            names: Names::of(pid.get()),
            verify: Verify::of(marks),
            leaving: None,
            next: now,
            tell: now,
            repeat: now.later(TELLING),
            found: parked.map_or_else(|| Parked::new(context, plan), |parked| *parked),
            context: Arc::clone(context),
            plan: Arc::clone(plan),
        })
    }

    /// When there is something to do next.
    pub(super) fn next(&self) -> Mono {
        self.next
    }

    /// Does what is due.
    pub(super) fn turn(&mut self, now: Mono, alarmed: bool) -> Result<(), NativeError> {
        self.found.governor.leave_for_others(self.context.others_pct());
        self.verify.look(now, &mut self.memory, &mut self.found.sites);
        let is_leaving = self.is_leaving(now);
        if alarmed
            && !is_leaving
            && let Some(opening) = self.found.governor.due(now)
            && let Err(error) = self.window(&opening)
        {
            log::warn!("a window on the allocator of process {} failed: {error:#}", self.pid);
            self.found.governor.failed(now, opening.seen);
        }
        if now >= self.tell {
            self.tell = now.later(TELLING);
            self.tell_known(now)?;
        }
        if now >= self.repeat && alarmed {
            self.repeat = now.later(REPEATING);
            self.tell_governor(now);
        }
        let window = self.found.governor.next().filter(|_| alarmed && !is_leaving);
        let soon = now.later(if is_leaving { Duration::from_millis(50) } else { TELLING });
        let next = [window, self.verify.next(), Some(self.tell), Some(soon)].into_iter().flatten().min();
        self.next = next.unwrap_or(soon);
        Ok(())
    }

    /// Whether probes of the last window are still there; what that cost is charged when they have gone.
    fn is_leaving(&mut self, now: Mono) -> bool {
        if let Some(leaving) = self.leaving.take_if(|leaving| leaving.thread.is_finished()) {
            self.has_left(now, leaving);
        }
        self.leaving.is_some()
    }

    fn has_left(&mut self, now: Mono, Leaving { thread, seen, traps_per_s }: Leaving) {
        match thread.join() {
            Ok(took) => self.found.governor.left(now, seen, took, traps_per_s),
            Err(payload) => self.context.refuse(&NativeError::panicked(&*payload)),
        }
    }

    /// Opens a window, waits, closes it, and takes in what it caught.
    fn window(&mut self, opening: &Opening) -> Result<(), NativeError> {
        let scope = match opening.seen {
            Seen::Misses => Scope::Misses,
            Seen::All => Scope::Allocations,
        };
        let serial = window::serial(self.found.windows, opening.seen);
        self.found.windows += 1;
        let pid = self.context.id.pid;
        let before = traps(&self.tap, pid);
        let began = clock::now();
        let armed = self.tap.arm(self.pid, &self.plan, scope)?;
        let from = clock::now();
        let callers = &mut self.callers;
        let may_go_on = |tap: &Tap| traps(tap, pid) - before < opening.most_traps;
        window::open(&mut self.tap, serial, |tap| callers.wait(tap, opening.length, may_go_on))?;
        let until = clock::now();
        // With a name of its own: it would have this thread's.
        let thread = thread::Builder::new().name("disarm".to_owned()).spawn(move || armed.disarm());
        let thread = thread.map_err(NativeError::Thread)?;
        let caught = window::caught(&mut self.tap, serial);
        let traps = traps(&self.tap, pid) - before;
        log::debug!("{WINDOW} {pid}: {:?}, from {} to {} ns, {traps} traps", opening.seen, began.0, until.0);
        self.found.governor.measured(&self.tap.gaps());
        self.found.governor.account(until, opening.seen, until.since(from), traps);
        // While a thread is in a trap it allocates nothing.
        let length_s = until.since(from).as_secs_f64();
        let traps_per_s = traps as f64 / length_s.max(1e-3);
        self.leaving = Some(Leaving { thread, seen: opening.seen, traps_per_s });
        self.found.sites.window(
            opening.seen,
            (length_s - traps as f64 * self.found.governor.burst_s()).max(length_s / 5.0),
        );
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
            if let Some(site) = self.found.sites.sample(call, seen, bytes) {
                self.verify.add(&sample, site, seen, reused);
            }
        }
        window::count(&self.tap, serial, seen, &mut self.found.sites);
        self.callers.forget(&mut self.tap);
    }

    fn tell_known(&mut self, now: Mono) -> Result<(), NativeError> {
        let seconds = now.since(self.found.since).as_secs_f64();
        let mut holding = self.found.sites.holding();
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
        let Spent { cost_pct, cost_s, .. } = self.found.governor.spent(now);
        let mut losses = self.losses()?;
        add(&mut losses, [(LossReason::SitesFull, self.found.sites.left_out)]);
        self.context.publish(Known { holders, outstanding: None, losses, cost_pct, cost_s });
        Ok(())
    }

    fn tell_governor(&self, now: Mono) {
        let spent = self.found.governor.spent(now);
        let slowed = if self.context.multi { "while it lasts" } else { "for up to a second" };
        let misses = if self.plan.has_misses() {
            format!("blocks of malloc's slow path {:.1} % of the time and ", 100.0 * spent.misses)
        } else {
            String::new()
        };
        let reason = format!(
            "a trap costs it {:.1} µs; sees {misses}all blocks {:.2} %, in windows of up to 0.1 s, each of which slows it down \
             {slowed}; does not see frees{}, nor call sites that never allocate in a window; {} call sites are undetermined, as their blocks are rewritten",
            self.found.governor.trap_s() * 1e6,
            100.0 * spent.all,
            self.plan.unseen(Scope::Allocations).map(|what| format!(", nor {what}")).unwrap_or_default(),
            self.found.sites.uncertain(),
        );
        self.context.decide(Decision {
            at: now,
            mode: Mode::Auto.name(),
            traps_per_s: spent.traps_per_s,
            cost_pct: spent.cost_pct,
            coverage: spent.all,
            reason,
        });
    }

    /// Losses so far, but for those of `sites`.
    fn losses(&self) -> Result<Counts, NativeError> {
        let mut losses = self.tap.losses(self.pid.get())?;
        add(&mut losses, self.callers.losses());
        add(&mut losses, self.found.losses.clone());
        Ok(losses)
    }

    /// Ends, and waits until the probes are gone.
    pub(super) fn end(mut self) {
        if let Some(leaving) = self.leaving.take() {
            self.has_left(clock::now(), leaving);
        }
    }

    /// Ends for now.
    pub(super) fn park(mut self) -> Parked {
        match self.losses() {
            Ok(losses) => self.found.losses = losses,
            Err(error) => self.context.refuse(&error),
        }
        self.found
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

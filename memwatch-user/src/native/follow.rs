//! `full`: every block from `malloc` to `free`. For one-off use: a server that allocates a million times a second loses more
//! than half of its throughput.

mod split;

use std::{
    cmp::Reverse,
    collections::HashMap,
    num::NonZeroU32,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use memwatch_common::{
    native::{CallSite, NativeCount, Window},
    strides,
};

use self::split::{Part, Sampled};
use super::{
    Decision, Holder, Known, Mode, Outstanding, callers::Callers, context::Context, error::NativeError,
    governor::trap_s, sites::Call, symbols::Names, unwind::Stacks,
};
use crate::{
    bpf::{armed::Armed, losses::add, malloc::Tap},
    host::clock,
    model::Mono,
    plan::malloc::{MallocPlan, Scope},
    target::process,
    vocabulary::TakenBy,
};

/// How often what is known is told anew.
const TELLING: Duration = Duration::from_secs(1);
/// How often samples are read: names of JavaScript are true for a moment.
const READING: Duration = Duration::from_millis(20);
/// There is one window, which sees all blocks and lasts for as long as they are followed.
const SERIAL: u64 = strides::serial(1, true);
/// Samples of each call site, a CPU, and as many again whenever it has four times the blocks.
const SAMPLES: u8 = 12;
/// Sites that are told.
const MOST_HOLDERS: usize = 20;

/// Follows a process until it is told to stop.
pub(super) fn run(context: &Context, plan: &MallocPlan, stop: &Receiver<()>) {
    let Some(pid) = NonZeroU32::new(context.id.pid) else { return };
    let armed = || -> Result<(Tap, Callers, Armed), NativeError> {
        let mut tap = Tap::load(plan, true, context.multi, context.task())?;
        tap.set_window(Window::open(SERIAL, SAMPLES))?;
        tap.prepare(plan, Scope::All)?;
        let callers = Callers::start(&mut tap, context.id.pid, context.javascript.as_ref())?;
        let armed = tap.arm(pid, plan, Scope::All)?;
        Ok((tap, callers, armed))
    };
    let (tap, callers, armed) = match armed() {
        Ok(armed) => armed,
        Err(error) => {
            context.refuse(&error);
            return;
        }
    };
    let mut following = Following::new(context, plan, tap, callers);
    let mut telling = clock::now().later(TELLING);
    let mut told = Ok(());
    while told.is_ok() && goes_on(context, stop) {
        following.read();
        if clock::now() >= telling {
            told = following.tell();
            telling = clock::now().later(TELLING);
        }
    }
    following.read();
    if let Err(error) = told.and_then(|()| following.tell()) {
        context.refuse(&error);
    }
    let _paid_by_nobody = armed.disarm();
}

/// Waits for a moment; `false` once there is to be an end, or the process has gone.
fn goes_on(context: &Context, stop: &Receiver<()>) -> bool {
    stop.recv_timeout(READING) == Err(RecvTimeoutError::Timeout)
        && process::current(context.id.pid) == Some(context.id)
}

struct Following<'a> {
    context: &'a Context,
    tap: Tap,
    callers: Callers,
    stacks: Stacks<'a>,
    names: Names,
    unseen: Option<&'static str>,
    /// By call site.
    samples: HashMap<u64, Vec<Sampled>>,
    since: Mono,
    told: f64,
}

impl<'a> Following<'a> {
    fn new(context: &'a Context, plan: &'a MallocPlan, tap: Tap, callers: Callers) -> Self {
        let pid = context.id.pid;
        Self {
            context,
            tap,
            callers,
            stacks: Stacks::of(pid, &plan.frames),
            names: Names::of(pid),
            unseen: plan.unseen(Scope::All),
            samples: HashMap::new(),
            since: clock::now(),
            told: -1.0,
        }
    }

    fn read(&mut self) {
        let mut samples = Vec::new();
        self.tap.drain(|sample| samples.push(sample));
        // After the samples: the caller of each was sent before it.
        self.callers.read(&mut self.tap);
        for sample in samples {
            let frames = self.stacks.walk(&sample);
            let key = self.stacks.key(&frames);
            let callers = self.callers.of(&sample);
            let call = Call { call_site: sample.call_site, frames: &frames, key, callers };
            let of_site = self.samples.entry(sample.call_site).or_default();
            // Whatever was at its address before has been freed.
            of_site.retain(|before| before.address != sample.address);
            let block = Sampled::new(&sample, call, of_site);
            of_site.push(block);
        }
        if self.callers.are_many() {
            self.callers.forget(&mut self.tap);
        }
    }

    fn tell(&mut self) -> Result<(), NativeError> {
        let sites = self.tap.call_sites();
        let outstanding = self.outstanding(&sites);
        let holders = self.holders(sites, outstanding.bytes);
        let cost_pct = self.tell_price();
        let cost_s = cost_pct / 100.0 * clock::now().since(self.since).as_secs_f64();
        let mut losses = self.tap.losses(self.context.id.pid)?;
        add(&mut losses, self.callers.losses());
        self.context.publish(Known { holders, outstanding: Some(outstanding), losses, cost_pct, cost_s });
        Ok(())
    }

    fn outstanding(&self, sites: &[(u64, CallSite)]) -> Outstanding {
        let sum =
            |of: fn(&CallSite) -> u64| sites.iter().map(|(_, site)| of(site)).fold(0, u64::wrapping_add);
        Outstanding {
            blocks: sum(|site| site.allocated_blocks.wrapping_sub(site.freed_blocks)),
            bytes: sum(|site| site.allocated_bytes.wrapping_sub(site.freed_bytes)),
            unknown_frees: self.tap.count(NativeCount::UnknownFrees),
        }
    }

    fn holders(&mut self, mut sites: Vec<(u64, CallSite)>, total: u64) -> Vec<Holder> {
        let bytes = |site: &CallSite| site.allocated_bytes.wrapping_sub(site.freed_bytes);
        // Between reading one CPU's books and another's a block may move: never below zero for long.
        sites.retain(|(_, site)| (1..u64::MAX / 2).contains(&bytes(site)));
        sites.sort_by_key(|(_, site)| Reverse(bytes(site)));
        sites.truncate(MOST_HOLDERS);
        let mut parts: Vec<Part> = sites.iter().flat_map(|(key, site)| self.parts(*key, site)).collect();
        parts.sort_by_key(|part| Reverse(part.bytes));
        parts.truncate(MOST_HOLDERS);
        let holder = |part: Part| Holder {
            by: TakenBy::Malloc,
            share: part.bytes as f64 / total.max(1) as f64,
            bytes: part.bytes,
            n: part.blocks,
            interval: None,
            frames: self.names.name(&part.frames),
            callers: part.callers,
        };
        parts.into_iter().map(holder).collect()
    }

    /// What a call site holds, by who called it.
    fn parts(&self, call_site: u64, site: &CallSite) -> Vec<Part> {
        let alone = Part::alone(call_site, site);
        let samples = self.samples.get(&call_site).map_or(&[][..], Vec::as_slice);
        split::split(alone, samples, |sampled| self.tap.holds(sampled.address, call_site))
    }

    /// What it costs, told when it becomes known and when it has changed by half.
    fn tell_price(&mut self) -> f64 {
        let now = clock::now();
        let seconds = now.since(self.since).as_secs_f64().max(0.001);
        let traps_per_s = self.tap.count(NativeCount::Traps) as f64 / seconds;
        let cost_pct = 100.0 * traps_per_s * trap_s(&self.tap.gaps());
        if self.told < 0.0 || (cost_pct - self.told).abs() > self.told / 2.0 + 1.0 {
            self.told = cost_pct;
            self.context.decide(Decision {
                at: now,
                mode: Mode::Full.name(),
                traps_per_s,
                cost_pct,
                coverage: 1.0,
                reason: format!(
                    "every malloc and every free is followed, whatever that costs; blocks from before are unknown{}",
                    self.unseen.map(|what| format!(", and {what}")).unwrap_or_default()
                ),
            });
        }
        cost_pct
    }
}

//! `full`: every block from `malloc` to `free`. For one-off use: a server that allocates a million times a second loses more
//! than half of its throughput.

use std::{collections::HashMap, num::NonZeroU32, time::Duration};

use memwatch_common::native::{CallSite, NativeCount, Window};

use super::{
    Decision, Desk, Holder, Known, Mode, Outstanding, governor::trap_s, symbols::Names, unwind::Stacks,
};
use crate::{
    bpf::malloc::{Armed, Tap},
    host::clock,
    model::Mono,
    plan::malloc::{MallocPlan, Scope},
};

/// How often what is known is told anew.
const TELLING: Duration = Duration::from_secs(1);
/// Stacks that are copied of each call site, a CPU: the first are as good as any.
const SAMPLES: u64 = 2;
/// Sites that are told.
const MOST_HOLDERS: usize = 20;

/// Follows a process until it is told to stop.
pub(super) fn run(desk: &Desk, plan: &MallocPlan) {
    let Some(pid) = NonZeroU32::new(desk.id.pid) else { return };
    let armed = || -> anyhow::Result<(Tap, Armed)> {
        let mut tap = Tap::load(plan, true, desk.task())?;
        tap.set_window(Window { serial: 0, samples: SAMPLES, kind: 0 })?;
        tap.prepare(plan, Scope::All)?;
        let armed = tap.arm(pid, plan, Scope::All)?;
        Ok((tap, armed))
    };
    let (tap, armed) = match armed() {
        Ok(armed) => armed,
        Err(error) => {
            log::warn!("the native memory of process {pid} is not followed: {error:#}");
            return;
        }
    };
    let mut following = Following::new(desk, tap);
    let mut next = clock::now().later(TELLING);
    while desk.wait(next) {
        following.tell();
        next = clock::now().later(TELLING);
    }
    following.tell();
    armed.disarm();
}

struct Following<'a> {
    desk: &'a Desk,
    tap: Tap,
    stacks: Stacks,
    names: Names,
    /// A stack of each call site.
    frames: HashMap<u64, Vec<u64>>,
    since: Mono,
    told: f64,
}

impl<'a> Following<'a> {
    fn new(desk: &'a Desk, tap: Tap) -> Self {
        let pid = desk.id.pid;
        Self {
            desk,
            tap,
            stacks: Stacks::of(pid),
            names: Names::of(pid),
            frames: HashMap::new(),
            since: clock::now(),
            told: -1.0,
        }
    }

    fn tell(&mut self) {
        let mut samples = Vec::new();
        self.tap.drain(|sample| samples.push(sample));
        for sample in samples {
            if !self.frames.contains_key(&sample.call_site) {
                let frames = self.stacks.walk(&sample);
                self.frames.insert(sample.call_site, frames);
            }
        }
        let sites = self.tap.call_sites();
        let outstanding = self.outstanding(&sites);
        let holders = self.holders(sites, outstanding.bytes);
        let cost_pct = self.tell_price();
        let losses = self.tap.losses().unwrap_or_default();
        self.desk.publish(Known { holders, outstanding: Some(outstanding), losses, cost_pct });
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
        sites.sort_by_key(|(_, site)| std::cmp::Reverse(bytes(site)));
        sites.truncate(MOST_HOLDERS);
        let holder = |(key, site): &(u64, CallSite)| {
            let alone = [key.wrapping_sub(1)];
            let frames = self.frames.get(key).map_or(&alone[..], Vec::as_slice);
            Holder {
                share: bytes(site) as f64 / total.max(1) as f64,
                bytes: bytes(site),
                n: site.allocated_blocks.wrapping_sub(site.freed_blocks),
                interval: None,
                frames: self.names.name(frames),
                callers: Vec::new(),
            }
        };
        sites.iter().map(holder).collect()
    }

    /// What it costs, told when it becomes known and when it has changed by half.
    fn tell_price(&mut self) -> f64 {
        let now = clock::now();
        let seconds = now.since(self.since).as_secs_f64().max(0.001);
        let traps_per_s = self.tap.count(NativeCount::Traps) as f64 / seconds;
        let cost_pct = 100.0 * traps_per_s * trap_s(&self.tap.gaps());
        if self.told < 0.0 || (cost_pct - self.told).abs() > self.told / 2.0 + 1.0 {
            self.told = cost_pct;
            self.desk.decide(Decision {
                at: now,
                mode: Mode::Full.name(),
                traps_per_s,
                cost_pct,
                coverage: 1.0,
                reason: "every malloc and every free is followed, whatever that costs; blocks from before are unknown"
                    .to_owned(),
            });
        }
        cost_pct
    }
}

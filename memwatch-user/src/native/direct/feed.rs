//! The thread that receives changes of mappings and hands them to the processes that they are of.

use std::{
    collections::BTreeMap,
    future,
    num::NonZeroU32,
    os::unix::ffi::OsStrExt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use memwatch_common::{
    loss::LossReason,
    mapping::{MAPPING_RING_BYTES, MappingChange},
    native::MAX_CALLERS,
    target::TaskLayout,
};
use tokio::{
    runtime,
    sync::mpsc::UnboundedReceiver,
    time::{MissedTickBehavior, interval},
};

use super::{
    super::Javascript,
    Shared,
    process::{Mapped, Process},
};
use crate::{
    bpf::mappings::MappingTap,
    host::{clock, features::Features},
    ingest,
    model::Mono,
    plan::malloc::Mappers,
    target::{allocator, maps, text::printable},
};

/// How often it is looked at what is resident; less often where that takes long.
const LOOKING: Duration = Duration::from_secs(1);

/// What a change costs the target, seconds. In the C library `mmap` and `munmap` of a page took 25 µs more together on a busy
/// virtual machine: 10 of them are the single-stepped entry of `munmap`, 5 the walk of JavaScript at `mmap`.
const LIBRARY_S: f64 = 12e-6;
/// In the kernel there is no trap: half of that walk, and the copy of the stack.
const KERNEL_S: f64 = 3e-6;

/// Changes that are taken in at once, 16 MB with their stacks: a storm keeps nobody from asking what it costs.
const MOST_AT_ONCE: usize = 4096;

/// What the thread is told.
pub(super) enum Command {
    /// Follow a process: as of [`super::Direct::follow`].
    Follow { pid: u32, v8: String, javascript: Option<Box<Javascript>> },
    /// Follow it no more.
    Leave(u32),
    /// Say what it has mapped.
    Tell(u32, mpsc::Sender<Vec<Mapped>>),
}

/// Runs until nobody can send commands any more.
pub(super) fn run(
    features: Features,
    task: TaskLayout,
    budget_pct: Option<f64>,
    mut commands: UnboundedReceiver<Command>,
    shared: &Arc<Mutex<Shared>>,
) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            let tap = MappingTap::attach(features.btf, features.uprobe_multi, task)?;
            shared.lock().unwrap_or_else(PoisonError::into_inner).is_in_kernel = tap.is_in_kernel();
            let (processes, gone) = (BTreeMap::new(), Gone::default());
            Feed { tap, processes, lost: 0, is_behind: false, budget_pct, gone, shared }
                .run(&mut commands)
                .await
        })
    });
    if let Err(error) = done {
        log::warn!("mappings are not followed: {error:#}");
        shared.lock().unwrap_or_else(PoisonError::into_inner).refusal = Some(format!("{error:#}"));
    }
}

struct Feed<'a> {
    tap: MappingTap,
    processes: BTreeMap<u32, Process>,
    /// Changes that were not seen so far.
    lost: u64,
    /// There are more than were taken in at once.
    is_behind: bool,
    /// What a process may pay, percent of one CPU.
    budget_pct: Option<f64>,
    gone: Gone,
    shared: &'a Mutex<Shared>,
}

/// What is remembered of processes that are followed no more.
#[derive(Default)]
struct Gone {
    changes: u64,
    left_out: u64,
}

impl Feed<'_> {
    async fn run(&mut self, commands: &mut UnboundedReceiver<Command>) -> anyhow::Result<()> {
        let mut ticks = interval(LOOKING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return Ok(()),
                },
                ready = self.tap.readable() => {
                    ready?;
                    self.drain();
                }
                () = future::ready(()), if self.is_behind => self.drain(),
                _ = ticks.tick() => self.look(),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Follow { pid, v8, javascript } => {
                if let Err(error) = self.follow(pid, v8, javascript.as_deref()) {
                    log::warn!("the mappings of process {pid} are not followed: {error:#}");
                    self.shared().refusals.insert(pid, format!("{error:#}"));
                }
            }
            Command::Leave(pid) => {
                self.leave(pid);
                self.shared().refusals.remove(&pid);
            }
            Command::Tell(pid, to) => {
                self.drain_whole_ring();
                let _nobody = to.send(self.processes.get_mut(&pid).map(Process::mapped).unwrap_or_default());
            }
        }
    }

    fn follow(&mut self, pid: u32, v8: String, javascript: Option<&Javascript>) -> anyhow::Result<()> {
        let maps = maps::of(pid)?;
        let allocator = allocator::serving(pid, &maps).map(|serving| &serving.file.path);
        let hosts = allocator.map(|path| printable(path.as_os_str().as_bytes())).into_iter().chain([v8]);
        let mappers = Mappers::of(pid, &maps);
        let bare = mappers.as_ref().map(|mappers| mappers.frames.clone()).unwrap_or_default();
        self.processes.insert(pid, Process::open(pid, hosts.collect(), javascript, bare)?);
        self.tap.follow(pid, javascript.map(|javascript| javascript.layout))?;
        if !self.tap.is_in_kernel() {
            let pid = NonZeroU32::new(pid).context("no process has this id")?;
            self.tap.arm(pid, &mappers.map_err(anyhow::Error::msg)?)?;
        }
        Ok(())
    }

    fn leave(&mut self, pid: u32) {
        if let Some(armed) = self.tap.leave(pid) {
            thread::spawn(|| armed.disarm());
        }
        if let Some(process) = self.processes.remove(&pid) {
            self.gone.changes += process.changes();
            self.gone.left_out += process.left_out();
        }
        self.shared().holders.remove(&pid);
    }

    /// Leaves alone whom it costs more than the budget.
    fn keep_budget(&mut self, now: Mono) {
        let Some(budget_pct) = self.budget_pct else { return };
        let change_s = self.change_s();
        let charged = |(pid, process): (&u32, &mut Process)| {
            Some((*pid, process.charged(now, change_s, budget_pct / 100.0)?))
        };
        for (pid, per_s) in self.processes.iter_mut().filter_map(charged).collect::<Vec<_>>() {
            self.leave(pid);
            let reason = format!(
                "it maps and unmaps memory {per_s:.0} times a second, which costs it {:.1} % of one CPU; \
                 --budget is {budget_pct} %",
                100.0 * per_s * change_s
            );
            self.shared().refusals.insert(pid, reason);
        }
    }

    /// What a change costs a process, seconds.
    fn change_s(&self) -> f64 {
        if self.tap.is_in_kernel() { KERNEL_S } else { LIBRARY_S }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in all that was there.
    fn drain_whole_ring(&mut self) {
        for _ in 0..MAPPING_RING_BYTES as usize / size_of::<MappingChange>() / MOST_AT_ONCE {
            self.drain();
            if !self.is_behind {
                return;
            }
        }
    }

    fn drain(&mut self) {
        let mut changes = Vec::new();
        self.is_behind = self.tap.drain(MOST_AT_ONCE, |change, copy| changes.push((change, copy)));
        let processes = &mut self.processes;
        self.tap.drain_stacks(|bytes| {
            if let Ok(event) = ingest::stack(bytes)
                && let Ok(pid) = u32::try_from(event.key.thread >> 32)
                && let Some(process) = processes.get_mut(&pid)
            {
                process.stack(&event);
            }
        });
        for (change, copy) in changes {
            if let Some(process) = self.processes.get_mut(&change.tgid) {
                process.change(&change, copy.as_deref());
            }
        }
        self.make_room();
    }

    /// For the kernel to have room for new stacks of JavaScript.
    fn make_room(&mut self) {
        let known: usize = self.processes.values_mut().map(|process| process.callers().len()).sum();
        if known > MAX_CALLERS as usize / 2 {
            for process in self.processes.values_mut() {
                process.callers().forgotten().for_each(|key| self.tap.forget_stack(key));
            }
        }
    }

    /// Looks at what is resident, and tells of it.
    fn look(&mut self) {
        let now = clock::now();
        let mut losses = self.tap.losses().unwrap_or_default();
        let lost = losses.get(&LossReason::MappingsFull).copied().unwrap_or(0);
        if lost > self.lost {
            self.lost = lost;
            self.drain_whole_ring();
            self.processes.values_mut().for_each(Process::reconcile);
        }
        let left_out = self.gone.left_out + self.processes.values().map(Process::left_out).sum::<u64>();
        if left_out > 0 {
            *losses.entry(LossReason::MappingsFull).or_default() += left_out;
        }
        self.processes.values_mut().for_each(|process| process.callers().add_to(&mut losses));
        // First: of who is left alone nothing more is told.
        self.keep_budget(now);
        let told: Vec<_> =
            self.processes.iter_mut().filter_map(|(pid, process)| Some((*pid, process.look(now)?))).collect();
        let changes: u64 = self.processes.values().map(Process::changes).sum();
        let cost_s = (self.gone.changes + changes) as f64 * self.change_s();
        let mut shared = self.shared();
        shared.cost_s = cost_s;
        shared.losses = losses;
        shared.holders.extend(told);
    }
}

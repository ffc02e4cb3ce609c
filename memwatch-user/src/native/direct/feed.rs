//! The thread that receives changes of mappings and hands them to the processes that they are of.

use std::{
    collections::BTreeMap,
    future, io,
    num::NonZeroU32,
    os::unix::ffi::OsStrExt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

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
    super::{Javascript, error::NativeError},
    Refused, SHARE_OF_BUDGET, Shared,
    process::{Mapped, Process},
};
use crate::{
    bpf::{losses::Losses, mappings::MappingTap},
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
    /// Follow it no more, for now.
    Leave(u32),
    /// Likewise for good: what was lost of it is forgotten.
    Forget(u32),
    /// Do nothing until whoever sent this drops the other end.
    Rest(mpsc::Receiver<()>),
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
    let done = catch_unwind(AssertUnwindSafe(|| {
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().map_err(NativeError::Thread)?;
        runtime.block_on(async {
            let tap = MappingTap::attach(features.btf, features.uprobe_multi, task)?;
            shared.lock().unwrap_or_else(PoisonError::into_inner).is_in_kernel = tap.is_in_kernel();
            Feed::new(tap, budget_pct, shared).run(&mut commands).await
        })
    }));
    if let Err(error) = done.unwrap_or_else(|payload| Err(NativeError::panicked(&*payload))) {
        log::warn!("mappings are not followed: {error}");
        shared.lock().unwrap_or_else(PoisonError::into_inner).refusal = Some(Arc::new(error).into());
    }
}

struct Feed<'a> {
    tap: MappingTap,
    processes: BTreeMap<u32, Process>,
    /// There are more than were taken in at once.
    is_behind: bool,
    /// What a process may pay, percent of one CPU.
    budget_pct: Option<f64>,
    /// Changes of processes that are followed no more.
    gone: u64,
    /// What the collector lost of them, and of nobody in particular.
    left: Losses,
    shared: &'a Mutex<Shared>,
}

impl<'a> Feed<'a> {
    fn new(tap: MappingTap, budget_pct: Option<f64>, shared: &'a Mutex<Shared>) -> Self {
        let (processes, left) = (BTreeMap::new(), Losses::default());
        Self { tap, processes, is_behind: false, budget_pct, gone: 0, left, shared }
    }

    async fn run(&mut self, commands: &mut UnboundedReceiver<Command>) -> Result<(), NativeError> {
        let mut ticks = interval(LOOKING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return Ok(()),
                },
                ready = self.tap.readable() => {
                    ready.map_err(NativeError::Wait)?;
                    self.drain();
                }
                () = future::ready(()), if self.is_behind => self.drain(),
                _ = ticks.tick() => self.look()?,
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Follow { pid, v8, javascript } => {
                if let Err(error) = self.follow(pid, v8, javascript.as_deref()) {
                    log::warn!("the mappings of process {pid} are not followed: {error}");
                    self.shared().refusals.insert(pid, Arc::new(error).into());
                }
            }
            Command::Leave(pid) => self.leave(pid),
            Command::Forget(pid) => {
                self.leave(pid);
                self.tap.forget_losses(pid);
                self.left.forget(pid);
                let mut shared = self.shared();
                shared.refusals.remove(&pid);
                shared.losses.forget(pid);
            }
            Command::Rest(until) => {
                let _dropped = until.recv();
            }
            Command::Tell(pid, to) => {
                self.drain_whole_ring();
                let _nobody = to.send(self.processes.get_mut(&pid).map(Process::mapped).unwrap_or_default());
            }
        }
    }

    fn follow(&mut self, pid: u32, v8: String, javascript: Option<&Javascript>) -> Result<(), NativeError> {
        let maps = maps::of(pid).map_err(NativeError::Mappings)?;
        let allocator = allocator::serving(pid, &maps).map(|serving| &serving.file.path);
        let hosts = allocator.map(|path| printable(path.as_os_str().as_bytes())).into_iter().chain([v8]);
        let mappers = Mappers::of(pid, &maps);
        let bare = mappers.as_ref().map(|mappers| mappers.frames.clone()).unwrap_or_default();
        self.processes.insert(pid, Process::open(pid, hosts.collect(), javascript, bare)?);
        self.tap.follow(pid, javascript.map(|javascript| javascript.layout))?;
        if !self.tap.is_in_kernel() {
            let mappers = mappers?;
            let nobody = || NativeError::Mappings(io::ErrorKind::NotFound.into());
            self.tap.arm(NonZeroU32::new(pid).ok_or_else(nobody)?, &mappers, &mappers.uses()?)?;
        }
        Ok(())
    }

    fn leave(&mut self, pid: u32) {
        if let Some(armed) = self.tap.leave(pid) {
            thread::spawn(|| armed.disarm());
        }
        if let Some(mut process) = self.processes.remove(&pid) {
            self.gone += process.changes();
            process.losses().into_iter().for_each(|(reason, count)| self.left.count(pid, reason, count));
        }
        let mut shared = self.shared();
        shared.holders.remove(&pid);
        shared.refusals.remove(&pid);
    }

    /// Leaves alone whom it costs more than the budget.
    fn keep_budget(&mut self, now: Mono) {
        let Some(budget_pct) = self.budget_pct else { return };
        let change_s = self.change_s();
        let charged = |(pid, process): (&u32, &mut Process)| {
            Some((*pid, process.charged(now, change_s, SHARE_OF_BUDGET * budget_pct / 100.0)?))
        };
        for (pid, per_s) in self.processes.iter_mut().filter_map(charged).collect::<Vec<_>>() {
            self.leave(pid);
            let too_dear = Refused::TooDear { per_s, cost_pct: 100.0 * per_s * change_s, budget_pct };
            self.shared().refusals.insert(pid, too_dear);
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
        let (processes, left) = (&mut self.processes, &mut self.left);
        self.tap.drain_stacks(|bytes| match ingest::stack(bytes) {
            Ok(event) => {
                if let Some(process) = processes.get_mut(&event.key.tgid()) {
                    process.stack(&event);
                }
            }
            Err(_) => left.count_shared(LossReason::StackMalformed, 1),
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
    fn look(&mut self) -> Result<(), NativeError> {
        let now = clock::now();
        let losses = self.losses()?;
        // First: of who is left alone nothing more is told.
        self.keep_budget(now);
        let told: Vec<_> =
            self.processes.iter_mut().filter_map(|(pid, process)| Some((*pid, process.look(now)?))).collect();
        let changes: u64 = self.processes.values().map(Process::changes).sum();
        let cost_s = (self.gone + changes) as f64 * self.change_s();
        let mut shared = self.shared();
        shared.cost_s = cost_s;
        shared.losses = losses;
        shared.holders.extend(told);
        Ok(())
    }

    /// All losses so far. Whoever has lost changes since is reconciled with what is mapped.
    fn losses(&mut self) -> Result<Losses, NativeError> {
        let mut losses = self.tap.losses()?;
        let is_behind = |(pid, process): (&u32, &mut Process)| {
            process.has_lost_more(losses.count_of(*pid, LossReason::MappingsFull)).then_some(*pid)
        };
        let behind: Vec<u32> = self.processes.iter_mut().filter_map(is_behind).collect();
        if !behind.is_empty() {
            self.drain_whole_ring();
            for pid in behind {
                self.processes.get_mut(&pid).into_iter().for_each(Process::reconcile);
            }
        }
        for (pid, process) in &mut self.processes {
            process.losses().into_iter().for_each(|(reason, count)| losses.count(*pid, reason, count));
        }
        losses.add(&self.left);
        Ok(losses)
    }
}

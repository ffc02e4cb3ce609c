//! Direct mappings: memory that a program takes from the kernel itself (`mmap`, `mremap`), past its allocator. Every one is
//! followed, from the kernel's side: they are few, and no trap is needed for it.
//!
//! ```text
//!  mmap, munmap, mremap ──► feed ──► process ──► ledger ──► held ──► who holds memory
//!  as the kernel did it     one for   whose       what is    what of
//!                           all       it is       mapped     it is resident
//! ```
//!
//! Mapped is not resident: a site holds what pages of its mappings are in memory or swapped out. So gigabytes that are
//! reserved are nothing until they are touched, and what `madvise` gave back counts no more.

mod charge;
mod course;
mod feed;
mod ledger;
mod process;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use memwatch_common::target::TaskLayout;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use self::feed::Command;
pub use self::process::Mapped;
use super::{Holder, Javascript, error::NativeError};
use crate::{
    bpf::losses::{Counts, Losses},
    host::features::Features,
};

/// What of the budget following a process's mappings may cost it: where that is not enough it is left alone, and other probes
/// can count on the rest.
pub const SHARE_OF_BUDGET: f64 = 0.25;

/// Follows the direct mappings of processes: one set of programs in the kernel, and one thread, for all of them. They go when
/// it is dropped.
pub struct Direct {
    commands: UnboundedSender<Command>,
    shared: Arc<Mutex<Shared>>,
    thread: JoinHandle<()>,
}

/// What is known by now.
#[derive(Debug, Default)]
struct Shared {
    holders: BTreeMap<u32, Vec<Holder>>,
    losses: Losses,
    is_in_kernel: bool,
    cost_s: f64,
    /// Why nothing is followed.
    refusal: Option<Refused>,
    /// Why a process is not.
    refusals: BTreeMap<u32, Refused>,
}

/// Why mappings are not followed, or not any more.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// It cannot be done.
    #[error(transparent)]
    Failed(#[from] Arc<NativeError>),
    /// It costs a process too much.
    #[error(
        "it maps and unmaps memory {per_s:.0} times a second, which costs it {cost_pct:.1} % of one CPU; \
         {SHARE_OF_BUDGET} of --budget, which is {budget_pct} %, is for that"
    )]
    TooDear {
        /// So often.
        per_s: f64,
        /// Percent of one CPU.
        cost_pct: f64,
        /// What all probes may cost it, percent of one CPU.
        budget_pct: f64,
    },
}

impl Direct {
    /// Begins, with what the kernel has; nobody is followed yet. `task`: where it keeps what leads to a thread's isolate;
    /// `budget_pct`: what a process may pay for all probes of ours, percent of one CPU. What is refused later is told by
    /// [`Self::refusal`].
    pub fn start(features: Features, task: TaskLayout, budget_pct: Option<f64>) -> Result<Self, NativeError> {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (commands, receiver) = unbounded_channel();
        let of_thread = Arc::clone(&shared);
        let run = move || feed::run(features, task, budget_pct, receiver, &of_thread);
        let thread = thread::Builder::new().name("mappings".to_owned()).spawn(run);
        let thread = thread.map_err(NativeError::Thread)?;
        Ok(Self { commands, shared, thread })
    }

    /// Waits until the programs run. Whether they do so in the kernel, and see calls that are made without a C library too; the
    /// error says why they do not run.
    pub fn attached(&self) -> Result<bool, Refused> {
        // An answer means that they do.
        let _nothing = self.mapped(0);
        let shared = self.shared();
        shared.refusal.clone().map_or(Ok(shared.is_in_kernel), Err)
    }

    /// Follows `pid` from now on; `v8` is the file that holds its V8, as the process knows it and fit to be shown. With
    /// `javascript` its callers in JavaScript are told.
    pub fn follow(&self, pid: u32, v8: &str, javascript: Option<Javascript>) {
        self.send(Command::Follow { pid, v8: v8.to_owned(), javascript: javascript.map(Box::new) });
    }

    /// Follows it no more, for now.
    pub fn leave(&self, pid: u32) {
        self.send(Command::Leave(pid));
    }

    /// Likewise for good: what was lost of it is forgotten, as another process may get its number.
    pub fn forget(&self, pid: u32) {
        self.send(Command::Forget(pid));
    }

    /// Reads nothing until what this returns is dropped: changes are lost once the ring buffer is full. For tests of that.
    #[must_use]
    pub fn rest(&self) -> mpsc::Sender<()> {
        let (sender, until) = mpsc::channel();
        self.send(Command::Rest(until));
        sender
    }

    /// Who holds memory of `pid` by direct mappings, and goes on taking more: largest first, shares among themselves.
    #[must_use]
    pub fn holders(&self, pid: u32) -> Vec<Holder> {
        self.shared().holders.get(&pid).cloned().unwrap_or_default()
    }

    /// All that `pid` has mapped itself since it is followed, in the order of addresses.
    #[must_use]
    pub fn mapped(&self, pid: u32) -> Vec<Mapped> {
        let (to, told) = mpsc::channel();
        self.send(Command::Tell(pid, to));
        told.recv().unwrap_or_default()
    }

    /// What was lost of `pid` alone, and of anybody.
    #[must_use]
    pub fn losses(&self, pid: u32) -> Counts {
        self.shared().losses.of(pid)
    }

    /// What the processes were charged, all together and those that are gone too, CPU seconds.
    #[must_use]
    pub fn cost_s(&self) -> f64 {
        self.shared().cost_s
    }

    /// Why `pid` is not followed, if that turned out to be impossible.
    #[must_use]
    pub fn refusal(&self, pid: u32) -> Option<Refused> {
        let shared = self.shared();
        shared.refusal.as_ref().or_else(|| shared.refusals.get(&pid)).cloned()
    }

    /// Stops, and waits until the programs are gone.
    pub fn stop(self) {
        drop(self.commands);
        // A panic was caught and told where it happened.
        let _ended = self.thread.join();
    }

    /// A thread that has ended has said why.
    fn send(&self, command: Command) {
        let _ended = self.commands.send(command);
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What it takes to follow one process, and where what is found out about it is put.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memwatch_common::target::TaskLayout;

use super::{Decision, Javascript, Known, Mode, NativeError};
use crate::{
    host::clock,
    model::{Mono, ProcessId},
};

/// What is found out about one process.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) known: Known,
    pub(super) decisions: Vec<Decision>,
    pub(super) alarmed: bool,
    /// What the process pays for other probes of ours, percent of one CPU.
    pub(super) others_pct: f64,
}

/// What it takes to follow one process.
pub(super) struct Context {
    pub(super) id: ProcessId,
    pub(super) budget_pct: f64,
    /// Whether the kernel links many uprobes at once.
    pub(super) multi: bool,
    /// `None` where JavaScript's callers are not to be known.
    pub(super) javascript: Option<Javascript>,
    pub(super) shared: Arc<Mutex<Shared>>,
}

/// For a moment: no holder of it can panic.
pub(super) fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    /// Where the kernel keeps what leads to a thread's isolate.
    pub(super) fn task(&self) -> TaskLayout {
        self.javascript.as_ref().map_or(TaskLayout::UNKNOWN, |javascript| javascript.task)
    }

    pub(super) fn publish(&self, known: Known) {
        lock(&self.shared).known = known;
    }

    pub(super) fn alarm(&self, alarmed: bool) {
        lock(&self.shared).alarmed = alarmed;
    }

    pub(super) fn others_pct(&self) -> f64 {
        lock(&self.shared).others_pct
    }

    /// Says that it is not followed, or not any more.
    pub(super) fn refuse(&self, error: &NativeError) {
        log::warn!("the native memory of process {} is not followed: {error}", self.id.pid);
        self.note(clock::now(), format!("who holds its native memory will not be known: {error}"));
    }

    /// Says something about a process in which no probe is armed.
    pub(super) fn note(&self, at: Mono, reason: String) {
        let mode = Mode::Growth.name();
        self.decide(Decision { at, mode, traps_per_s: 0.0, cost_pct: 0.0, coverage: 0.0, reason });
    }

    pub(super) fn decide(&self, decision: Decision) {
        log::debug!("native memory of process {}: {decision:?}", self.id);
        lock(&self.shared).decisions.push(decision);
    }
}

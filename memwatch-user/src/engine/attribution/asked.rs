//! What was asked for of native memory.

use memwatch_common::target::TaskLayout;

use crate::{host::features::Features, native::Mode};

/// What was asked for of native memory, and what the kernel offers for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// How much is to be known.
    pub(crate) mode: Mode,
    /// What it may cost, percent of one CPU.
    pub(crate) budget_pct: f64,
    /// What the kernel offers.
    pub(crate) features: Features,
    /// Where it keeps what leads to a thread's isolate.
    pub(crate) task: TaskLayout,
}

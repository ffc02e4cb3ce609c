//! The engine of a watch: which targets there are, what of them is followed, and what comes of it. It is fed with what the
//! kernel side sends, with the time (intervals), and with what was done in the background; it yields [`outcome::Outcome`]s
//! and knows nothing of records.
//!
//! ```text
//!             exec ──► adoption: examine, plan ──► attach ──► a member of the fleet
//!                           (background)                            │
//!  events of the kernel side ──────────► dispatch ──► judged ───────┤ verdicts ──► attribution ──► outcomes
//!  stacks ──► names (background) ───────────────────► attribution   │
//!  interval ──► scrape (background) ────► rounds ──► judged ────────┤
//!           ──► take (background) ──────► heaps ───► judged ────────┘
//! ```

mod adopting;
pub(crate) mod adoption;
mod allowance;
pub(crate) mod attribution;
mod background;
mod cost;
mod dispatch;
mod ending;
mod features;
mod fleet;
pub(crate) mod heaps;
mod judged;
mod losses;
mod member;
pub(crate) mod outcome;
mod panicked;
mod probes;
mod rounds;
mod scrape;
mod selection;

use std::{io, sync::mpsc, thread, time::Duration};

use tokio::sync::mpsc::UnboundedReceiver;

use self::{
    adoption::Adoption,
    allowance::Allowance,
    attribution::{Attribution, native::Natives, stacks::Stacks},
    background::Background,
    fleet::Fleet,
    heaps::HeapTakes,
    losses::Losses,
    outcome::Outcome,
};
pub(crate) use self::{
    attribution::asked::Asked,
    background::{Finished, THREADS},
    ending::End,
    features::{FeatureChange, FeatureState},
    probes::pace::Rest,
    selection::TargetSelection,
};
use crate::{
    attribute::Sampled,
    bpf::{load::Kernel, parting, stacks::StackMaps, targets::TargetMaps, walker::Walker},
    host::clock::WallClock,
    native::Mode,
    native::Tracker,
};

/// How long the end waits for trackers of native memory. One that reads the memory of a process that makes workers all the time
/// kept it waiting for 40 s (measured on a busy machine).
const NATIVES_PATIENCE: Duration = Duration::from_secs(1);
/// Likewise where the rest is left to a copy of our process: the user waits for the prompt meanwhile.
const WINDOWS_PATIENCE: Duration = Duration::from_millis(100);

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) kernel: Kernel,
    /// Whether probes carry cookies.
    pub(crate) cookies: bool,
    pub(crate) clock: WallClock,
    pub(crate) selection: TargetSelection,
    pub(crate) native: Asked,
    /// The kernel side's maps of stacks, if those are wanted.
    pub(crate) stacks: Option<StackMaps>,
    /// What walks them, likewise.
    pub(crate) walker: Option<Walker>,
    /// Whether there will be a profile of the whole watch.
    pub(crate) keeps_stacks: bool,
    /// Whether heaps are read: for whether they grow, and what holds them.
    pub(crate) explains: bool,
}

/// What of the budget stacks of JavaScript may cost a target where its native memory is looked at as well.
const SHARE_OF_STACKS: f64 = 0.5;

/// The engine.
pub(crate) struct Engine {
    /// What the kernel side is told of targets.
    kernel: TargetMaps,
    /// Until it is loaded.
    walker: Option<Walker>,
    clock: WallClock,
    adoption: Adoption,
    fleet: Fleet,
    attribution: Attribution,
    heaps: HeapTakes,
    losses: Losses,
    allowance: Allowance,
    background: Background,
    /// What has come of the watch and was not taken yet.
    outcomes: Vec<Outcome>,
    collections: u64,
    backoffs: u64,
    adopted: u64,
    /// Why the job cannot be done.
    failure: Option<anyhow::Error>,
}

impl Engine {
    /// Needs a tokio runtime. Hand everything that the second part receives to [`Engine::finished`].
    pub(crate) fn new(parts: Parts) -> io::Result<(Self, UnboundedReceiver<Finished>)> {
        let Parts { kernel, cookies, clock, selection, native, stacks, walker, keeps_stacks, explains } =
            parts;
        let Kernel { programs, maps, .. } = kernel;
        let (background, finished) = Background::new(programs)?;
        let share = if matches!(native.mode, Mode::Auto | Mode::Full) { SHARE_OF_STACKS } else { 1.0 };
        let sampling = stacks.is_some().then_some(share * native.budget_pct / 100.0);
        let engine = Self {
            kernel: maps,
            walker,
            clock,
            adoption: Adoption::new(selection, cookies, sampling),
            fleet: Fleet::default(),
            attribution: Attribution::new(
                Stacks::new(stacks, keeps_stacks),
                Natives::new(native),
                native.task,
            ),
            heaps: HeapTakes::new(explains),
            losses: Losses::default(),
            allowance: Allowance::default(),
            background,
            outcomes: Vec::new(),
            collections: 0,
            backoffs: 0,
            adopted: 0,
            failure: None,
        };
        Ok((engine, finished))
    }

    /// What has come of the watch since this was asked last.
    pub(crate) fn outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes)
    }

    /// Whether processes that start later may be targets.
    pub(crate) fn may_grow(&self) -> bool {
        self.adoption.selection.follows_all()
    }

    /// Why nobody has been watched so far; `None` if somebody has, or was named by pid.
    pub(crate) fn nobody(&mut self) -> Option<String> {
        (self.adopted == 0 && self.may_grow()).then(|| self.adoption.selection.nobody())
    }

    /// Whether nobody is left, and nobody can come.
    pub(crate) fn is_over(&self) -> bool {
        self.fleet.is_empty() && !self.may_grow()
    }

    /// What watching has cost the targets so far, CPU seconds.
    pub(crate) fn cost_s(&self) -> f64 {
        let Attribution { stacks, natives, .. } = &self.attribution;
        cost::of_collections(self.collections) + stacks.cost_s() + natives.cost_s()
    }

    /// How often probes had to rest.
    pub(crate) fn backoffs(&self) -> u64 {
        self.backoffs
    }

    /// Everything that was sampled.
    pub(crate) fn sampled(&mut self) -> Vec<Sampled<'_>> {
        self.attribution.stacks.sampled()
    }

    /// Whether names of stacks are still to come.
    pub(crate) fn awaits_names(&self) -> bool {
        self.attribution.stacks.have_unnamed()
    }

    /// How many targets there have been.
    pub(crate) fn adopted(&self) -> u64 {
        self.adopted
    }

    /// Lets go of all probes. Those on allocators are on the hottest path of a target: they go first, within milliseconds where
    /// the kernel has links of many uprobes. A tracker ends when it has read what it was reading, which a target can delay
    /// without end: what is left goes with our process. So does the rest, in a copy of it that nobody waits for; where there
    /// can be none, we wait.
    pub(crate) fn let_go(self) {
        let (trackers, mappings) = self.attribution.natives.into_parts();
        let (stopped, wait) = mpsc::channel::<()>();
        thread::spawn(move || {
            Tracker::stop_all(trackers);
            drop(stopped);
        });
        let _late = wait.recv_timeout(WINDOWS_PATIENCE);
        if let Err(error) = parting::hand_over() {
            log::debug!("cannot fork: {error}");
            self.adoption.attachments.detach();
            mappings.detach();
            let _late = wait.recv_timeout(NATIVES_PATIENCE);
        }
    }
}

//! The parts of a watch, made of what was asked for and what the host allows.

use anyhow::{Result, ensure};
use memwatch_common::target::TaskLayout;

use super::{begin::command, events::Events, profiles::Profiles, running::Run, selection::selection};
use crate::{
    bpf::{
        load::{Kernel, Settings},
        multi,
        ring::{self, Ring},
        stacks::StackMaps,
        trial,
        walker::Walker,
    },
    cli::{
        args::{Explain, Switch},
        job::Watch,
    },
    engine::{Asked, Engine, Parts, TargetSelection},
    host::{
        btf,
        clock::{self, WallClock},
        features::Features,
        kernel::Kernel as HostKernel,
        own,
    },
    translate::Translator,
};

/// The object is loaded, and nothing is attached yet.
pub(super) struct Setup {
    kernel: Kernel,
    features: Features,
    task: TaskLayout,
    selection: TargetSelection,
    profiles: Profiles,
}

impl Setup {
    pub(super) fn of(watch: &Watch) -> Result<Self> {
        let selection = selection(watch)?;
        let profiles = Profiles::create(&watch.profiles)?;
        if command(watch).is_none() {
            own::open_more_files();
        }
        let features = allowed(watch)?;
        let task = task_layout(features);
        let kernel = load(watch, features, task, selection.follows_all())?;
        Ok(Self { kernel, features, task, selection, profiles })
    }

    /// Connects the parts.
    pub(super) fn start(self, watch: &Watch) -> Result<Run> {
        let Self { mut kernel, features, task, selection, profiles } = self;
        let ring = Ring::open(&mut kernel)?;
        let (stack_ring, stacks, walker) = stacks(watch, &mut kernel)?;
        let (clock, cookies) = (WallClock::sample(), features.attach_cookie);
        let native = Asked { mode: watch.native, budget_pct: watch.budget_pct, features, task };
        let keeps_stacks = profiles.are_wanted();
        let explains = watch.explain == Explain::Auto;
        let parts =
            Parts { kernel, cookies, clock, selection, native, stacks, walker, keeps_stacks, explains };
        let (engine, finished) = Engine::new(parts)?;
        let events = Events::new(ring, stack_ring, finished, watch.interval)?;
        let translator = Translator { clock, budget_pct: watch.budget_pct };
        let (since, until_leak) = (clock::now(), watch.until_leak);
        Ok(Run { engine, events, translator, launched: None, since, until_leak, profiles })
    }
}

/// What the host offers, or why nothing can be watched here.
fn allowed(watch: &Watch) -> Result<Features> {
    let version = HostKernel::running().version;
    trial::essential_rights().check(version)?;
    let features = Features::probe(version, multi::is_supported()).without(&watch.assume_missing);
    ensure!(
        features.ring_buffer,
        "this kernel has no BPF ring buffer (Linux 5.8 on has): nothing can be watched here; `memwatch-bpf doctor` says more"
    );
    ensure!(
        features.uprobe_pmu,
        "this kernel has no uprobes (CONFIG_UPROBE_EVENTS): nothing can be watched here; `memwatch-bpf doctor` says more"
    );
    Ok(features)
}

fn task_layout(features: Features) -> TaskLayout {
    if features.btf { btf::task_layout().unwrap_or(TaskLayout::UNKNOWN) } else { TaskLayout::UNKNOWN }
}

fn load(watch: &Watch, features: Features, task: TaskLayout, follow_all: bool) -> Result<Kernel> {
    let debug = watch.verbose > 1;
    let mut kernel = Kernel::load(Settings { cookies: features.attach_cookie, follow_all, task, debug })?;
    for (tracepoint, reason) in kernel.programs.attach_tracepoints() {
        log::warn!(
            "the tracepoint {tracepoint} cannot be used, so less is known of how processes end: {reason}"
        );
    }
    if debug {
        ring::forward_debug_lines(&mut kernel)?;
    }
    Ok(kernel)
}

/// What it takes to watch stacks, if that is wanted.
fn stacks(watch: &Watch, kernel: &mut Kernel) -> Result<(Option<Ring>, Option<StackMaps>, Option<Walker>)> {
    let walker = kernel.walker();
    if watch.stacks == Switch::Off {
        return Ok((None, None, None));
    }
    Ok((Some(Ring::open_stacks(kernel)?), Some(StackMaps::open(kernel)?), walker))
}

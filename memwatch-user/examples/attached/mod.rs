//! Our probes on the process whose id is the argument, its stacks walked.

use std::env;

use anyhow::{Context as _, Result};
use memwatch_user::{
    bpf::{
        attach::{Attachment, Binary, Place, Scope},
        load::{Kernel, Settings},
        multi,
        stacks::StackMaps,
    },
    host::{btf, features::Features, kernel},
    plan::{self, Plan},
    symbols::js::{Memory as _, ProcessMemory},
    target,
};

/// Number of the attachment.
pub(crate) const NUMBER: u32 = 1;

/// What lives as long as the probes are to.
pub(crate) struct Attached {
    pub(crate) plan: Plan,
    pub(crate) kernel: Kernel,
    _live: Attachment,
    _maps: StackMaps,
}

/// The process that is asked for.
pub(crate) fn pid() -> Result<u32> {
    Ok(env::args().nth(1).context("which process?")?.parse()?)
}

/// Attaches. `times`: how long programs take at a hit is to be known.
pub(crate) fn attach(times: bool) -> Result<Attached> {
    let pid = pid()?;
    let target = target::examine(pid)?;
    let (plan, _) = plan::prepare(&target.image, None)?;
    let stacks = plan.stacks.as_ref().map_err(|reason| anyhow::anyhow!("no stacks: {reason}"))?;
    let memory = ProcessMemory::open(pid)?;
    let layout = stacks.layout(target.image.bias, target.libc, |address, to| memory.read(address, to));
    let features = Features::probe(kernel::Kernel::running().version, multi::is_supported());
    let task = btf::task_layout().context("the kernel does not describe its types")?;
    let settings = Settings { cookies: features.attach_cookie, follow_all: false, task, debug: false };
    let mut kernel = if times { Kernel::load_timed(settings) } else { Kernel::load(settings) }?;
    let mut maps = StackMaps::open(&mut kernel)?;
    kernel.walker().context("loaded once")?.load()?;
    maps.walk(pid, layout.map_err(anyhow::Error::msg)?)?;
    kernel.maps.set_heap_layout(NUMBER, plan.heap_layout())?;
    let places: Vec<Place<'_>> = plan.probes.iter().map(Place::from).collect();
    let binary = Binary::of(&target.image)?;
    let live = kernel.programs.attach(NUMBER, &binary, Scope::File, &places)?;
    kernel.maps.add_target(pid, NUMBER)?;
    Ok(Attached { plan, kernel, _live: live, _maps: maps })
}

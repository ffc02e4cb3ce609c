//! How a process becomes a target: it is examined, probes are attached to its binary, and the kernel side admits it.

pub(crate) mod examine;
mod introduction;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use memwatch_common::target::UNCLAIMED;

use self::examine::{ExamineJob, Examined};
use super::{probes::Attachments, selection::TargetSelection};
use crate::{
    bpf::load::Kernel,
    plan::{self, Cache},
    target::{image, process},
};

/// What it takes to make targets of processes.
pub(crate) struct Adoption {
    pub(crate) attachments: Attachments,
    pub(crate) selection: TargetSelection,
    /// Whether probes carry cookies.
    cookies: bool,
    cache: Option<Cache>,
    /// Whether stacks are wanted.
    stacks: bool,
}

impl Adoption {
    /// `stacks`: the share of one CPU that sampling may cost each target, if it is wanted.
    pub(crate) fn new(selection: TargetSelection, cookies: bool, stacks: Option<f64>) -> Self {
        let attachments = Attachments::new(cookies, stacks);
        Self { attachments, selection, cookies, cache: Cache::of_user(), stacks: stacks.is_some() }
    }

    /// What it takes to examine `pid`.
    pub(crate) fn examination(&self, pid: u32) -> ExamineJob {
        ExamineJob { pid, cache: self.cache.clone(), stacks: self.stacks }
    }

    /// Attaches what an examined process needs, and admits it: the number of what serves it. `None` if it has executed another
    /// program meanwhile: what was found out is about the one before.
    pub(crate) fn attach(&mut self, kernel: &mut Kernel, examined: &Examined) -> Result<Option<u32>> {
        let target = &examined.target;
        let pid = target.process.id.pid;
        let number = match &examined.plan {
            Ok(plan) => self.attachments.serve(kernel, pid, &target.image, plan)?,
            Err(_) => UNCLAIMED,
        };
        kernel.add_target(pid, number)?;
        if self.selection.follows_children() {
            kernel.follow(pid)?;
        }
        ensure!(
            process::current(pid) == Some(target.process.id),
            "process {pid} ended while it was being attached to"
        );
        Ok(target.image.is_current().then_some(number))
    }

    /// A process is no target any more.
    pub(crate) fn let_go(&mut self, kernel: &mut Kernel, pid: u32) {
        kernel.remove_target(pid);
        self.attachments.release(pid);
    }

    /// Sees to it that a program about to be started is heard from its first instruction: whatever descends from us is
    /// followed, and if `program` is a Node its probes are live before it runs.
    pub(crate) fn expect_child(&mut self, kernel: &mut Kernel, program: Option<&Path>) -> Result<()> {
        if let Some(image) = program.and_then(image::of_program).filter(|_| self.cookies)
            && let Ok((plan, _)) = plan::prepare(&image, self.cache.as_ref())
        {
            self.attachments.prepare(kernel, &image, &plan)?;
        }
        kernel.follow(std::process::id()).context("cannot follow what we start")
    }
}

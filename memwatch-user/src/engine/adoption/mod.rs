//! How a process becomes a target: it is examined, probes are attached to its binary, and the kernel side admits it.

pub(crate) mod examine;
mod introduction;

use std::{collections::VecDeque, path::Path};

use anyhow::{Context, Result, ensure};
use memwatch_common::target::UNCLAIMED;

use self::examine::{ExamineJob, Examined};
use super::{
    probes::{Attachments, NoProbes, Service, job::AttachJob},
    selection::TargetSelection,
};
use crate::{
    bpf::targets::TargetMaps,
    plan::{self, Cache},
    target::{Target, image, process},
};

/// What it takes to make targets of processes.
pub(crate) struct Adoption {
    pub(crate) attachments: Attachments,
    pub(crate) selection: TargetSelection,
    /// Who was there when the watch began, and is not examined yet: one after the other, as the first of a file finds out what the
    /// others only have to check.
    waiting: VecDeque<u32>,
    /// Who of them is being examined.
    examining: Option<u32>,
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
        let (waiting, examining, cache) = (VecDeque::new(), None, Cache::of_user());
        Self { attachments, selection, waiting, examining, cookies, cache, stacks: stacks.is_some() }
    }

    /// These were there when the watch began.
    pub(crate) fn found(&mut self, pids: Vec<u32>) {
        self.waiting = pids.into();
    }

    /// Whether some of them are still to be examined.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next of them, if none is being examined.
    pub(crate) fn next(&mut self) -> Option<u32> {
        if self.examining.is_none() {
            self.examining = self.waiting.pop_front();
            return self.examining;
        }
        None
    }

    /// `pid` was examined.
    pub(crate) fn was_examined(&mut self, pid: u32) {
        self.examining = self.examining.filter(|examining| *examining != pid);
    }

    /// What it takes to examine `pid`.
    pub(crate) fn examination(&self, pid: u32) -> ExamineJob {
        ExamineJob { pid, cache: self.cache.clone(), stacks: self.stacks }
    }

    /// What serves an examined process, now or soon.
    pub(crate) fn serve(&mut self, maps: &mut TargetMaps, examined: &Examined) -> Result<Service, NoProbes> {
        let target = &examined.target;
        match &examined.plan {
            Ok(plan) => self.attachments.serve(maps, target.process.id.pid, &target.image, plan),
            Err(_) => Ok(Service::Live(UNCLAIMED)),
        }
    }

    /// Admits a process, which the attachment of that number serves. Whether it still runs what was examined: if not, what was found
    /// out is about the program before.
    pub(crate) fn admit(&self, maps: &mut TargetMaps, target: &Target, number: u32) -> Result<bool> {
        let id = target.process.id;
        maps.add_target(id.pid, number)?;
        if self.selection.follows_children() {
            maps.follow(id.pid)?;
        }
        let now = process::current(id.pid);
        ensure!(now.is_some(), "process {} ended while it was being attached to", id.pid);
        Ok(now == Some(id) && target.image.is_current())
    }

    /// A process is no target any more.
    pub(crate) fn let_go(&mut self, maps: &mut TargetMaps, pid: u32) {
        maps.remove_target(pid);
        self.attachments.release(pid);
    }

    /// Sees to it that a program about to be started is heard from its first instruction: whatever descends from us is
    /// followed, and if `program` is a Node its probes are to be live before it runs.
    pub(crate) fn expect_child(
        &mut self,
        maps: &mut TargetMaps,
        program: Option<&Path>,
    ) -> Result<Option<AttachJob>> {
        maps.follow(std::process::id()).context("cannot follow what we start")?;
        let Some(image) = program.and_then(image::of_program).filter(|_| self.cookies) else {
            return Ok(None);
        };
        let Ok((plan, _)) = plan::prepare(&image, self.cache.as_ref()) else { return Ok(None) };
        Ok(Some(self.attachments.prepare(maps, &image, &plan)?))
    }
}

//! Finds out all there is to know of a process before it is probed. Reads its memory and parses its files, so it is done
//! beside the loop once that runs.

use std::time::Duration;

use anyhow::Result;
use memwatch_common::outside::OutsideLayout;

use super::introduction;
use crate::{
    engine::{
        attribution::stacks::Walk,
        features::{FeatureOff, FeatureState},
        outcome::Introduction,
        scrape,
    },
    host::{cgroup::MemoryCgroup, clock},
    model::Mono,
    plan::{self, Cache, Plan, PlanError, StackPlan, Stripped, Unresolved},
    sample::Sampler,
    target::{self, Target, elf::Deadline, maps},
};

/// A process that is to be examined.
#[derive(Debug)]
pub(crate) struct ExamineJob {
    pub(super) pid: u32,
    pub(super) cache: Option<Cache>,
    /// Whether its stacks are wanted.
    pub(super) stacks: bool,
}

/// A process that was examined.
pub(crate) struct Examined {
    /// When its program was looked at: what it executed before is not news.
    pub(crate) looked_at: Mono,
    pub(crate) target: Target,
    /// Which probe goes where in it; of a stripped file there is less to say.
    pub(crate) plan: Result<Plan, Box<Stripped>>,
    /// Its stacks, or why they cannot be walked.
    pub(crate) walk: Result<Walk, FeatureOff>,
    pub(crate) cgroup: Option<MemoryCgroup>,
    pub(crate) sampler: Sampler,
    pub(crate) introduction: Introduction,
    /// How many semi-spaces the limit of its heaps counts.
    pub(crate) semi_spaces: u64,
}

/// How long the files of a process are read for: those of a Node that nobody has examined before take 30 ms, on an emulated
/// machine a second.
const EXAMINATION: Duration = Duration::from_secs(10);

impl ExamineJob {
    pub(crate) fn run(self) -> Result<Examined> {
        let _given_up_later = Deadline::within(EXAMINATION);
        let looked_at = clock::now();
        let target = target::examine(self.pid)?;
        let plan = match plan::prepare(&target.image, self.cache.as_ref()) {
            Ok((plan, _)) => Ok(plan),
            // Its collections cannot be seen, the rest of it can.
            Err(PlanError::Stripped(stripped)) => Err(stripped),
            Err(error) => return Err(error.into()),
        };
        let walk = if self.stacks { walk(&target, &plan) } else { Err(FeatureOff::NotWanted) };
        let cgroup = MemoryCgroup::of(self.pid);
        let sampler = Sampler::new(self.pid, cgroup.clone(), outside_layout(&plan));
        let js_stacks = FeatureState::of(walk.as_ref().map_err(Clone::clone));
        let native = scrape::native(&sampler);
        let (introduction, semi_spaces) =
            introduction::of(&target, plan.as_ref().map_err(|stripped| &**stripped), js_stacks, native);
        Ok(Examined { looked_at, target, plan, walk, cgroup, sampler, introduction, semi_spaces })
    }
}

impl Examined {
    /// The way to V8's account of what isolates hold outside of their heaps.
    pub(crate) fn outside_layout(&self) -> OutsideLayout {
        outside_layout(&self.plan)
    }

    /// How its stacks are walked, or why they are not.
    pub(crate) fn stacks(&self) -> Result<StackPlan, FeatureOff> {
        stacks(&self.plan).cloned()
    }

    /// Why what it makes is not followed until it dies, if it is not.
    pub(crate) fn not_followed(&self) -> Option<Unresolved> {
        self.plan.as_ref().ok()?.survivors.as_ref().err().cloned()
    }

    /// How the stacks that call native code are walked, if they can be.
    pub(crate) fn callers(&self) -> Option<StackPlan> {
        self.stacks().ok()
    }
}

fn outside_layout(plan: &Result<Plan, Box<Stripped>>) -> OutsideLayout {
    plan.as_ref().map_or(OutsideLayout::UNKNOWN, Plan::outside_layout)
}

fn walk(target: &Target, plan: &Result<Plan, Box<Stripped>>) -> Result<Walk, FeatureOff> {
    Ok(Walk::of(target, stacks(plan)?)?)
}

fn stacks(plan: &Result<Plan, Box<Stripped>>) -> Result<&StackPlan, FeatureOff> {
    let plan = plan.as_ref().map_err(|stripped| FeatureOff::from(&**stripped))?;
    Ok(plan.stacks.as_ref().map_err(Clone::clone)?)
}

/// A process whose V8 has begun since it was examined.
pub(crate) struct SettleJob {
    pub(crate) target: Target,
    pub(crate) stacks: Result<StackPlan, FeatureOff>,
}

/// What could not be known before.
pub(crate) struct Settled {
    pub(crate) target: Target,
    pub(crate) walk: Result<Walk, FeatureOff>,
}

impl SettleJob {
    /// Now it has a C library and an allocator, and knows where its threads keep their isolates.
    pub(crate) fn run(self) -> Settled {
        let Self { mut target, stacks } = self;
        let pid = target.process.id.pid;
        target.libc = maps::of(pid).ok().and_then(|maps| target::libc::libc(&maps)).or(target.libc);
        let walk = stacks.and_then(|stacks| Ok(Walk::of(&target, &stacks)?));
        Settled { target, walk }
    }
}

//! The direct mappings of all targets: whose are followed, and when.

use std::{collections::BTreeMap, sync::Arc};

use super::asked::Asked;
use crate::{
    engine::features::FeatureChange,
    native::{
        Holder, Javascript, Mode, NativeError,
        direct::{self, Direct, Refused},
    },
};

/// Name of the feature in records.
const NAME: &str = "native_mappings";

/// What targets map themselves.
pub(crate) struct Mappings {
    asked: Asked,
    /// From the first target on that has to be looked at.
    direct: Option<Direct>,
    targets: BTreeMap<u32, Target>,
}

/// A target that may map memory itself.
struct Target {
    v8: String,
    javascript: Option<Javascript>,
    state: State,
}

/// Whether it is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// When it grows.
    Waits,
    /// It is, as far as we have said.
    Follows,
    /// That it cannot be done has been said.
    Refused,
}

impl Mappings {
    pub(crate) fn new(asked: Asked) -> Self {
        Self { asked, direct: None, targets: BTreeMap::new() }
    }

    /// Takes in a target, if that was asked for: `v8` is the file that holds its V8.
    pub(crate) fn add(&mut self, pid: u32, v8: &str, javascript: Option<Javascript>) {
        if matches!(self.asked.mode, Mode::Auto | Mode::Full) {
            let target = Target { v8: v8.to_owned(), javascript, state: State::Waits };
            self.targets.insert(pid, target);
        }
    }

    /// Follows `pid` while it `grows`; in any case where everything is to be followed. What there is to say if it cannot be done.
    pub(crate) fn turn(&mut self, pid: u32, grows: bool) -> Option<FeatureChange> {
        let target = self.targets.get_mut(&pid)?;
        let wanted = grows || self.asked.mode == Mode::Full;
        let refused = match (target.state, wanted) {
            (State::Waits, true) => begin(&mut self.direct, &self.asked, pid, target)
                .err()
                .map(|why| Refused::from(Arc::new(why))),
            (State::Follows, true) => self.direct.as_ref().and_then(|direct| direct.refusal(pid)),
            (State::Follows, false) => {
                target.state = State::Waits;
                self.leave(pid);
                None
            }
            (State::Waits, false) | (State::Refused, _) => None,
        };
        refused.map(|why| {
            self.refuse(pid);
            FeatureChange::off(NAME, why)
        })
    }

    /// A target is gone, or is to be left alone.
    pub(crate) fn remove(&mut self, pid: u32) {
        self.targets.remove(&pid);
        if let Some(direct) = &self.direct {
            direct.forget(pid);
        }
    }

    /// Takes all programs away; blocks until they are gone.
    pub(crate) fn detach(self) {
        if let Some(direct) = self.direct {
            direct.stop();
        }
    }

    /// Who holds memory of `pid` by them.
    pub(crate) fn holders(&self, pid: u32) -> Vec<Holder> {
        self.direct.as_ref().map(|direct| direct.holders(pid)).unwrap_or_default()
    }

    /// What of the budget is not to be spent otherwise, as the mappings of `pid` are followed.
    pub(crate) fn share_of_budget(&self, pid: u32) -> f64 {
        let follows = self.targets.get(&pid).is_some_and(|target| target.state == State::Follows);
        if follows { direct::SHARE_OF_BUDGET } else { 0.0 }
    }

    /// What follows them, if anybody's are.
    pub(crate) fn direct(&self) -> Option<&Direct> {
        self.direct.as_ref()
    }

    fn leave(&self, pid: u32) {
        if let Some(direct) = &self.direct {
            direct.leave(pid);
        }
    }

    fn refuse(&mut self, pid: u32) {
        if let Some(target) = self.targets.get_mut(&pid) {
            target.state = State::Refused;
        }
    }
}

/// Follows `target`, the first of which begins it all.
fn begin(
    direct: &mut Option<Direct>,
    asked: &Asked,
    pid: u32,
    target: &mut Target,
) -> Result<(), NativeError> {
    let begun = if let Some(direct) = direct.take() {
        direct
    } else {
        let budget_pct = (asked.mode == Mode::Auto).then_some(asked.budget_pct);
        Direct::start(asked.features, asked.task, budget_pct)?
    };
    begun.follow(pid, &target.v8, target.javascript.clone());
    target.state = State::Follows;
    *direct = Some(begun);
    Ok(())
}

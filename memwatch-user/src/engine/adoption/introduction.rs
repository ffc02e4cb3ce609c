//! A target as it was found: what it is, and what of it can be watched.

use crate::{
    engine::{
        features::FeatureState,
        outcome::{Features, Introduction},
    },
    plan::{Plan, Stripped},
    target::{Identity, Target},
};

/// The introduction, and how many semi-spaces the limit of its heaps counts. Of a stripped file there is less to say.
pub(super) fn of(target: &Target, plan: Result<&Plan, &Stripped>) -> (Introduction, u64) {
    let limit = match plan {
        Ok(plan) => {
            plan.limit_factor(target.process.id.pid, target.image.bias).map_err(|why| why.to_string())
        }
        Err(stripped) => Err(blindness(stripped)),
    };
    let (node_version, v8_version) = match plan {
        Ok(plan) => (&plan.node_version, &plan.v8_version),
        Err(stripped) => (&stripped.node_version, &stripped.v8_version),
    };
    let introduction = Introduction {
        name: Identity::of(target.process.id.pid).map(|identity| identity.display_name()),
        comm: target.process.comm.clone(),
        cmdline: target.process.cmdline.clone(),
        node_version: node_version.clone(),
        v8_version: v8_version.clone(),
        build_id: target.image.build_id.clone(),
        libc: target.libc,
        allocator: target.allocator,
        container: target.container.clone(),
        matched: None,
        features: features(plan, &limit),
        missing: plan.map_or_else(|_| Vec::new(), |plan| plan.missing.clone()),
    };
    (introduction, limit.unwrap_or(0))
}

fn features(plan: Result<&Plan, &Stripped>, limit: &Result<u64, String>) -> Features {
    let blind = |stripped: &Stripped| FeatureState::Off(blindness(stripped));
    let later = || FeatureState::Off(String::new());
    Features {
        gc: plan.map_or_else(blind, |_| FeatureState::On),
        js_stacks: plan.map_or_else(blind, |_| later()),
        heap_limit: FeatureState::of(limit.clone()),
        external: plan
            .map_or_else(blind, |plan| FeatureState::of(plan.outside.as_ref().map_err(ToString::to_string))),
        native: later(),
    }
}

fn blindness(stripped: &Stripped) -> String {
    format!(
        "{} is stripped, and V8's collections have no symbols in it: run the binary as released",
        stripped.path
    )
}

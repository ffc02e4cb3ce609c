//! A target as it was found: what it is, and what of it can be watched.

use crate::{
    engine::{
        features::{FeatureOff, FeatureState},
        outcome::{Features, Introduction},
    },
    plan::{Plan, Stripped},
    target::{Identity, Target},
};

/// The introduction, and how many semi-spaces the limit of its heaps counts. Of a stripped file there is less to say.
pub(super) fn of(
    target: &Target,
    plan: Result<&Plan, &Stripped>,
    js_stacks: FeatureState,
    native: FeatureState,
) -> (Introduction, u64) {
    let limit = plan
        .map_err(FeatureOff::from)
        .and_then(|plan| Ok(plan.limit_factor(target.process.id.pid, target.image.bias)?));
    let semi_spaces = *limit.as_ref().unwrap_or(&0);
    let outside = plan.map_err(FeatureOff::from).and_then(|plan| Ok(plan.outside.clone()?));
    let features = Features {
        gc: FeatureState::of(plan.map_err(FeatureOff::from)),
        heap_limit: FeatureState::of(limit),
        external: FeatureState::of(outside),
        native,
        js_stacks,
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
        features,
        missing: plan.map_or_else(|_| Vec::new(), |plan| plan.missing.clone()),
    };
    (introduction, semi_spaces)
}

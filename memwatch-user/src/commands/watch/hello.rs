//! The first record of a target: what it is, and what of it is watched.

use crate::{
    host::kernel::Kernel,
    plan::{Missing, Plan, Stripped},
    report::record::{Body, Feature, Features, Hello, State},
    target::Target,
};

/// The record, and how many semi-spaces the limit of its heaps counts. Of a stripped file there is less to say.
pub(super) fn hello(target: &Target, plan: Result<&Plan, &Stripped>) -> (Hello, u64) {
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
    let hello = Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: Kernel::running().release,
        comm: target.process.comm.clone(),
        cmdline: target.process.cmdline.clone(),
        node_version: node_version.clone(),
        v8_version: v8_version.clone(),
        build_id: target.image.build_id.clone(),
        libc: target.libc.map(|libc| libc.name().to_owned()),
        allocator: target.allocator.map(|allocator| allocator.name().to_owned()),
        container: target.container.clone(),
        matched: None,
        features: Features {
            gc: plan.map_or_else(|stripped| State::Off(blindness(stripped)), |_| State::On),
            js_stacks: State::Off(plan.err().map_or_else(String::new, blindness)),
            heap_limit: limit.as_ref().map_or_else(|reason| State::Off(reason.clone()), |_| State::On),
            external: match plan {
                Ok(plan) => {
                    plan.outside.as_ref().map_or_else(|why| State::Off(why.to_string()), |_| State::On)
                }
                Err(stripped) => State::Off(blindness(stripped)),
            },
            ..Features::default()
        },
    };
    (hello, limit.unwrap_or(0))
}

/// What goes unseen although collections are seen: functions that this build of V8 does not have.
pub(super) fn missing(plan: Result<&Plan, &Stripped>) -> Vec<Body> {
    let missing = plan.map_or(&[][..], |plan| &plan.missing);
    let off = |missing: &Missing| Feature {
        name: missing.program.clone(),
        state: "off".to_owned(),
        reason: missing.reason.clone(),
    };
    missing.iter().map(|missing| Body::Feature(off(missing))).collect()
}

fn blindness(stripped: &Stripped) -> String {
    format!(
        "{} is stripped, and V8's collections have no symbols in it: run the binary as released",
        stripped.path
    )
}

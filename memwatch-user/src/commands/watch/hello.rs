//! The first record of a target: what it is, and what of it is watched.

use std::fmt;

use crate::{
    host::kernel::Kernel,
    plan::Plan,
    report::record::{Features, Hello, State},
    target::Target,
};

/// How many semi-spaces the limit of `target`'s heaps counts, or why its limit is not known.
pub(super) fn semi_spaces(target: &Target, plan: &Plan) -> Result<u64, String> {
    let formula = plan.heap_limit.as_ref().map_err(Clone::clone)?;
    let read = |address| target.image.read_byte(target.process.id.pid, address);
    formula.factor(read).map_err(|error| error.to_string())
}

/// `no_limit` says why the heap's limit is not known, if so.
pub(super) fn hello(target: &Target, plan: &Plan, no_limit: Option<&String>) -> Hello {
    Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: Kernel::running().release,
        comm: target.process.comm.clone(),
        cmdline: target.process.cmdline.clone(),
        node_version: plan.node_version.clone(),
        v8_version: plan.v8_version.clone(),
        build_id: target.image.build_id.clone(),
        libc: target.libc.map(|libc| libc.name().to_owned()),
        allocator: target.allocator.map(|allocator| allocator.name().to_owned()),
        container: target.container.clone(),
        features: Features {
            gc: plan.missing.first().map_or(State::On, |_| partly(plan)),
            heap_limit: no_limit.map_or(State::On, |reason| State::Off(reason.clone())),
            ..Features::default()
        },
    }
}

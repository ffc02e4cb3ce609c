//! The first record of a target: what it is, and what of it is watched.

use crate::{
    host::kernel::Kernel,
    plan::Plan,
    report::record::{Features, Hello, State},
    target::Target,
};

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
            gc: State::On,
            heap_limit: no_limit.map_or(State::On, |reason| State::Off(reason.clone())),
            ..Features::default()
        },
    }
}

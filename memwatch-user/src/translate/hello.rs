//! The first record of a target, and the features that its build of V8 has no place for.

use crate::{
    engine::{
        FeatureState,
        outcome::{self, Introduction},
    },
    host::kernel::Kernel,
    plan::Missing,
    report::record::{Body, Feature, Features, Hello, State, Switch},
};

/// What there is to know of a target.
pub(super) fn hello(introduction: Introduction) -> Vec<Body> {
    let missing = introduction.missing;
    let hello = Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: Kernel::running().release,
        name: introduction.name,
        comm: introduction.comm,
        cmdline: introduction.cmdline,
        node_version: introduction.node_version,
        v8_version: introduction.v8_version,
        build_id: introduction.build_id,
        libc: introduction.libc.map(|libc| libc.name().to_owned()),
        allocator: introduction.allocator.map(|allocator| allocator.name().to_owned()),
        container: introduction.container,
        matched: introduction.matched,
        features: features(introduction.features),
    };
    [Body::Hello(Box::new(hello))].into_iter().chain(missing.into_iter().map(off)).collect()
}

fn features(features: outcome::Features) -> Features {
    Features {
        gc: state(features.gc),
        heap_limit: state(features.heap_limit),
        external: state(features.external),
        native: state(features.native),
        js_stacks: state(features.js_stacks),
        ..Features::default()
    }
}

fn state(state: FeatureState) -> State {
    match state {
        FeatureState::On => State::On,
        FeatureState::Off(why) => State::Off(why.to_string()),
    }
}

/// Something goes unseen although collections are seen.
fn off(missing: Missing) -> Body {
    Body::Feature(Feature { name: missing.program, state: Switch::Off, reason: missing.reason })
}

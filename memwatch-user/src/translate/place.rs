//! Places in programs: frames of stacks, and sites that hold or allocate memory.

use crate::{
    attribute::Site,
    engine::outcome::Sites,
    model::{Frame, FrameKind},
    native::{self, Holder},
    report::record,
    vocabulary::{Code, Measure},
};

pub(super) fn sites(sites: Sites) -> Vec<record::Site> {
    match sites {
        Sites::Unknown => Vec::new(),
        Sites::Allocated(sites) => sites.into_iter().map(|one| site(one, Measure::Allocated)).collect(),
        Sites::Live(sites) => sites.into_iter().map(|one| site(one, Measure::Live)).collect(),
        Sites::Held(holders) => holders.into_iter().map(holder).collect(),
    }
}

/// One place of a heap's memory.
fn site(site: Site, measure: Measure) -> record::Site {
    record::Site {
        share: site.share,
        bytes: site.bytes,
        measure,
        call: None,
        n: site.samples,
        interval: Some(site.interval.map(Some)),
        frames: frames(site.frames),
    }
}

/// One place that holds native memory.
fn holder(holder: Holder) -> record::Site {
    let native = holder.frames.into_iter().map(native_frame);
    record::Site {
        share: holder.share,
        bytes: holder.bytes,
        measure: Measure::Outstanding,
        call: Some(holder.by),
        n: holder.n,
        interval: holder.interval.map(|interval| interval.map(Some)),
        frames: native.chain(holder.callers.into_iter().map(frame)).collect(),
    }
}

/// A stack of JavaScript.
pub(super) fn frames(frames: Vec<Frame>) -> Vec<record::Frame> {
    frames.into_iter().map(frame).collect()
}

fn frame(frame: Frame) -> record::Frame {
    let function = match frame.kind {
        FrameKind::Unknown => None,
        _ => Some(frame.function.unwrap_or_else(|| "(anonymous)".to_owned())),
    };
    record::Frame {
        function,
        file: frame.file,
        line: frame.line,
        module: None,
        kind: Code::Js,
        doubtful: frame.is_doubtful,
    }
}

fn native_frame(frame: native::Frame) -> record::Frame {
    record::Frame {
        function: frame.function,
        file: frame.file,
        line: frame.line,
        module: frame.module,
        kind: Code::Native,
        doubtful: false,
    }
}

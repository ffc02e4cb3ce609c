//! Where memory comes from: samples with their stacks, ranked by place, or as files that other tools read; and where
//! collections start. Pure.

mod collapsed;
mod pprof;
mod sites;
mod starts;
mod volumes;

use crate::model::Stack;

pub(crate) use self::{
    collapsed::{collapsed, flamegraph},
    pprof::pprof,
    sites::{Site, sites},
    starts::{Paused, Start, Starts, started_in},
    volumes::Volumes,
};

/// What was allocated at one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sampled<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// Bytes that its samples stand for.
    pub bytes: u64,
    /// Samples.
    pub samples: u64,
    /// What is alive of it, as far as that is proven.
    pub alive: Alive,
}

/// What is alive of what was allocated somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Alive {
    /// Its bytes.
    pub bytes: u64,
    /// Objects.
    pub objects: u64,
}

#[cfg(test)]
mod tests {
    use crate::model::{Frame, FrameKind, Stack, StackEnd};

    /// A builtin between two functions of a script with a semicolon in its name; no JavaScript; something unknown.
    pub(super) fn sample_stacks() -> Vec<Stack> {
        let frame = |function: Option<&str>, line| Frame {
            function: function.map(str::to_owned),
            file: Some("/srv/a;b.js".to_owned()),
            line,
            kind: FrameKind::JavaScript,
            ..Frame::unknown()
        };
        let builtin =
            Frame { function: Some("map".to_owned()), kind: FrameKind::Builtin, ..Frame::unknown() };
        let frames = vec![frame(None, None), builtin, frame(Some("main"), Some(9))];
        vec![
            Stack { frames, end: StackEnd::Complete },
            Stack { frames: Vec::new(), end: StackEnd::Outside },
            Stack { frames: vec![Frame::unknown()], end: StackEnd::Truncated },
        ]
    }
}

//! Where memory comes from: samples with their stacks, ranked by place. Pure.

mod sites;

use crate::model::Stack;

pub use self::sites::{Site, sites};

/// What was allocated at one stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// Bytes that its samples stand for.
    pub bytes: u64,
    /// Samples.
    pub samples: u64,
}

//! What the points of a heap are.

/// What a judge of a heap goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// What full collections left.
    FullCollections,
    /// What takes of the heap found reachable.
    Takes,
    /// The same, where a place of the program's own holds what grows, and the process is past its start.
    TakesOfHolder,
}

impl Basis {
    /// Whether the points are takes.
    #[must_use]
    pub(super) const fn is_read(self) -> bool {
        matches!(self, Self::Takes | Self::TakesOfHolder)
    }
}

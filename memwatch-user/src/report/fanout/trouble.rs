//! What can be wrong with the report in one output, in words for the user.

/// Why the report in one output is not whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// It cannot be written.
    #[error("cannot write {output}: {why}")]
    Failed {
        /// Which.
        output: String,
        /// What went wrong.
        why: String,
    },
    /// Nobody reads it.
    #[error("{output} is not being read: the report ends early there, {missing} of its records are missing")]
    Unread {
        /// Which.
        output: String,
        /// Records that are missing.
        missing: u64,
    },
    /// It could not be written, which was told when it happened.
    #[error("{missing} records are missing from {output}")]
    Incomplete {
        /// Which.
        output: String,
        /// Records that are missing.
        missing: u64,
    },
    /// It was read too slowly.
    #[error("{output} was read too slowly: {missing} of its records were left out")]
    Slow {
        /// Which.
        output: String,
        /// Records that are missing.
        missing: u64,
    },
}

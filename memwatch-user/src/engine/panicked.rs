//! What stands for the result of a job that panicked.

/// A job of ours went wrong in a way that nobody foresaw; standard error has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a defect of memwatch-bpf: please report the message on standard error")]
pub(crate) struct Panicked;

//! Why something that a plan may have is not in it.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::target::elf::Machine;

/// Why something cannot be read from a file, or from a process that runs it. Kept in plans: it is not looked for again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Unresolved {
    /// A name that is looked for is not there.
    #[error("{0} has no symbol")]
    NoSymbol(String),
    /// A symbol that leads elsewhere.
    #[error("{0} lies outside of the code")]
    OutsideOfCode(String),
    /// Another name than was looked for.
    #[error("{found} is not {wanted}")]
    OtherSymbol {
        /// What there is.
        found: String,
        /// What was meant.
        wanted: String,
    },
    /// Reading failed.
    #[error("{what} cannot be read: {why}")]
    Unreadable {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
    /// It is not known how to read it on this machine.
    #[error("{what} is not understood on {machine}")]
    Machine {
        /// What.
        what: String,
        /// Which.
        machine: String,
    },
    /// A symbol's size is 0, or more than any function has.
    #[error("its size is not plausible")]
    Size,
    /// A function without an end.
    #[error("it has no exit")]
    NoExit,
    /// A function whose ends are not all known.
    #[error("not all of its exits are known: {at:#x} jumps to {to}")]
    Jump {
        /// From where.
        at: u64,
        /// Whereto, in words.
        to: String,
    },
    /// More functions of one name than any build of V8 has.
    #[error("it has more than {0} copies, as no build of V8 has")]
    Copies(usize),
    /// No instruction at that address.
    #[error("its code at {0:#x} is not understood")]
    Code(u64),
    /// The kernel refuses probes there, or what is there is of no use.
    #[error("no instruction of it can be probed")]
    NoPlace,
    /// The only instruction that would do cannot be probed.
    #[error("its instruction there cannot be probed")]
    Instruction,
    /// The file does not say which V8 it holds.
    #[error("the version of V8 is not found in the file")]
    NoVersion,
    /// V8's objects are not as in any version that is known.
    #[error("its SharedFunctionInfo is laid out in an unknown way")]
    Layout,
    /// What a thread keeps is in an unknown place.
    #[error("where its C library keeps values of threads is not known")]
    ThreadValues,
    /// Likewise.
    #[error("its isolates are kept under key {0}, beyond those whose place is known")]
    Key(i64),
    /// Code or metadata of V8 that looks otherwise than in any version that is known: in words.
    #[error("{0}")]
    NotUnderstood(String),
}

impl Unresolved {
    /// Reading `what` failed.
    pub(crate) fn unreadable(what: &str, why: impl Display) -> Self {
        Self::Unreadable { what: what.to_owned(), why: why.to_string() }
    }

    /// `what` is not understood on `machine`.
    pub(crate) fn on(machine: Machine, what: &str) -> Self {
        Self::Machine { what: what.to_owned(), machine: format!("{machine:?}") }
    }

    /// What V8's code or metadata was found to lack.
    pub(crate) fn not_understood(why: impl Display) -> Self {
        Self::NotUnderstood(why.to_string())
    }

    /// `name` has no symbol.
    pub(crate) fn no_symbol(name: &str) -> Self {
        Self::NoSymbol(name.to_owned())
    }

    /// `what` lies outside of the code.
    pub(super) fn outside(what: &str) -> Self {
        Self::OutsideOfCode(what.to_owned())
    }
}

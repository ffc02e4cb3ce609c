//! Why there is no plan for a file.

use std::io;

use thiserror::Error;

use super::{Missing, Unresolved};
use crate::target::elf::Machine;

/// Why there is no plan for a file. Paths are fit to be shown.
#[derive(Debug, Error)]
pub enum PlanError {
    /// It could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
    /// V8's own functions have no names in it.
    #[error(
        "{} is stripped: V8's collections have no symbols in it (Node 24 and later export none), so they cannot be probed; \
         use the binary as released, or keep its .symtab",
        .0.path
    )]
    Stripped(Box<Stripped>),
    /// Some names are there, but not all that it takes.
    #[error("{path} lacks functions that are needed to see collections: {}", programs(missing))]
    Incomplete {
        /// The file.
        path: String,
        /// What has no place, required or not.
        missing: Vec<Missing>,
    },
    /// Programs read arguments by the x86-64 or the 64-bit Arm calling convention.
    #[error("{path} is built for {machine:?}, which is not supported")]
    Machine {
        /// The file.
        path: String,
        /// What it is built for.
        machine: Machine,
    },
    /// A probe is not where the plan has it.
    #[error("{path} is not the file the plan was made for: {what}")]
    Mismatch {
        /// The file.
        path: String,
        /// What differs.
        what: Mismatch,
    },
}

/// What of a plan a file does not confirm.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Mismatch {
    /// The linker's fingerprint.
    #[error("its build id differs")]
    BuildId,
    /// Its size, of a file in which something was missing.
    #[error("its size differs")]
    Size,
    /// Programs that this build does not have.
    #[error("the plan has unknown programs, or another order")]
    Programs,
    /// A program is neither placed nor missing.
    #[error("the plan has no place for {0}")]
    NoPlace(&'static str),
    /// Another function.
    #[error("{program} does not belong on {symbol}")]
    Function {
        /// The program.
        program: String,
        /// The function.
        symbol: String,
    },
    /// A cold part of another function.
    #[error("{part} is no part of {of}")]
    Part {
        /// The part.
        part: String,
        /// The function.
        of: String,
    },
    /// A place that cannot be derived again.
    #[error("{program}: {why}")]
    Program {
        /// The program.
        program: String,
        /// Why not.
        why: Unresolved,
    },
    /// Another place.
    #[error("{0} belongs elsewhere")]
    Elsewhere(String),
    /// One of several places was left out.
    #[error("{0} lacks a place")]
    Lacks(String),
    /// No symbol.
    #[error("{0} has no symbol where the plan has one")]
    NoSymbol(String),
    /// The formula.
    #[error("the heap's limit is computed otherwise")]
    Limit,
    /// The way to the books.
    #[error("the counters of external memory are elsewhere")]
    Outside,
    /// What it takes to follow objects.
    #[error("its garbage collector is probed elsewhere, or its mark bits are")]
    Survivors,
    /// Something cannot be derived again.
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
}

/// What is known of a file whose collections cannot be probed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stripped {
    /// The file.
    pub path: String,
    /// Node's version.
    pub node_version: Option<String>,
    /// V8's version.
    pub v8_version: Option<String>,
    /// What is lost.
    pub missing: Vec<Missing>,
}

fn programs(missing: &[Missing]) -> String {
    missing.iter().map(|missing| missing.reason.as_str()).collect::<Vec<_>>().join("; ")
}

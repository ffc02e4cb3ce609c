//! Which probe goes where in a binary.
//!
//! ```text
//!  image ──► cache hit? ──yes──► check: derived again from the file, symbol by symbol ──► plan
//!               └─no──► resolve: one pass over the symbols ──► cache
//! ```
//!
//! Nothing that a cache says is armed unless the mapped file itself says the same.

pub(crate) mod cache;
mod check;
mod error;
mod exits;
pub mod malloc;
mod outside;
mod placement;
mod resolve;
mod sites;
mod stacks;
mod survivors;
mod unresolved;

use std::{io, os::unix::fs::FileExt};

use memwatch_common::{
    outside::OutsideLayout,
    target::{HeapLayout, LimitLayout},
};
use serde::{Deserialize, Serialize};

pub use self::{
    cache::Cache,
    error::{Mismatch, PlanError, Stripped},
    outside::OutsideBooks,
    stacks::{INTERVAL as STACK_INTERVAL, StackPlan},
    survivors::SurvivorPlan,
    unresolved::Unresolved,
};
use crate::{
    target::{Image, elf::SymbolRef, file},
    v8::{
        heap_limit::{FactorError, LimitFormula},
        symbols::At,
    },
};

/// Bytes of code kept of each probe: no instruction is longer than 15.
pub const CODE_BYTES: usize = 16;

/// Where every probe goes in one binary, and what cannot be had of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Build id of the file, in hexadecimal; plans of files without one are not cached.
    pub build_id: Option<String>,
    /// Bytes of the file: a stripped copy has the build id of the original.
    pub file_size: u64,
    /// Node's version, for example `20.20.2`.
    pub node_version: Option<String>,
    /// V8's version, for example `11.3.244.8-node.38`.
    pub v8_version: Option<String>,
    /// What to attach, in this order.
    pub probes: Vec<ProbeSite>,
    /// How a heap's limit is computed, or why that is not known.
    pub heap_limit: Result<HeapLimit, Unresolved>,
    /// Where the books of what an isolate holds outside of its heap are, or why that is not known.
    pub outside: Result<OutsideBooks, Unresolved>,
    /// How stacks of JavaScript are walked, or why they are not.
    pub stacks: Result<StackPlan, Unresolved>,
    /// What it takes to follow objects until they die, or why they are not.
    pub survivors: Result<SurvivorPlan, Unresolved>,
    /// Programs that have no place in this file.
    pub missing: Vec<Missing>,
}

/// One place of one program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeSite {
    /// The program: one of [`memwatch_common::names::probe`].
    pub program: String,
    /// Where in the function it runs.
    pub at: At,
    /// The function's mangled name.
    pub symbol: String,
    /// Where the symbol is in the file.
    pub symbol_ref: SymbolRef,
    /// Where the function's cold part is in the file, if its exits count and it has one.
    pub cold_ref: Option<SymbolRef>,
    /// Where the probe goes: offset in the file, as uprobes want it.
    pub file_offset: u64,
    /// The code there.
    pub bytes: [u8; CODE_BYTES],
    /// The instruction there, for people.
    pub instruction: String,
    /// Whether the kernel emulates that instruction; else each hit costs a second trap.
    pub emulated: bool,
}

/// How a heap's limit is computed in this binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeapLimit {
    /// The formula.
    pub formula: LimitFormula,
    /// The function it was read from.
    pub symbol_ref: SymbolRef,
}

/// A program that has no place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The program: one of [`memwatch_common::names::probe`].
    pub program: String,
    /// Why, and what is lost.
    pub reason: String,
}

/// Where a plan came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The cache; checked against the file.
    Cache,
    /// The file's symbols.
    Symbols,
}

/// The plan for `image`: the cached one if the file confirms it, else made anew and cached. Every probe of it has been
/// compared with the file. Trouble with the cache is never an error.
pub fn prepare(image: &Image, cache: Option<&Cache>) -> Result<(Plan, Source), PlanError> {
    if let Some(plan) = cached(image, cache) {
        return Ok((plan, Source::Cache));
    }
    let plan = resolve::resolve(image)?;
    check::check(&plan, image)?;
    if let Some(cache) = cache {
        cache.store(&plan);
    }
    Ok((plan, Source::Symbols))
}

fn cached(image: &Image, cache: Option<&Cache>) -> Option<Plan> {
    let (cache, build_id, size) = (cache?, image.build_id.as_deref()?, image.key.size);
    let plan = cache.load(build_id, size)?;
    match check::check(&plan, image) {
        Ok(()) => Some(plan),
        Err(error) => {
            log::warn!("the cached plan for {} is dropped: {error}", image.path);
            cache.remove(build_id, size);
            None
        }
    }
}

impl Plan {
    /// What the kernel side needs to know of a heap; the parts that are not known say so.
    #[must_use]
    pub fn heap_layout(&self) -> HeapLayout {
        let limit = self.heap_limit.as_ref().map_or(LimitLayout::UNKNOWN, |limit| limit.formula.layout());
        HeapLayout { limit, outside: self.outside_layout() }
    }

    /// The way from a heap to the books of what its isolate holds outside of it; [`OutsideLayout::UNKNOWN`] if there is
    /// none.
    #[must_use]
    pub fn outside_layout(&self) -> OutsideLayout {
        self.outside.as_ref().map_or(OutsideLayout::UNKNOWN, OutsideBooks::layout)
    }

    /// What a semi-space counts for in the limit, in the process `pid` that has the file `bias` above its linked
    /// addresses. The error says why the heap's limit is not known.
    pub fn limit_factor(&self, pid: u32, bias: u64) -> Result<u64, Unresolved> {
        let limit = self.heap_limit.as_ref().map_err(Clone::clone)?;
        let read = |address: u64| read_byte(pid, address.wrapping_add(bias));
        limit.formula.factor(read).map_err(|error: FactorError<io::Error>| Unresolved::not_understood(error))
    }

    /// Why `program` is not attached, if it is not.
    #[must_use]
    pub fn missing(&self, program: &str) -> Option<&Missing> {
        self.missing.iter().find(|missing| missing.program == program)
    }
}

fn read_byte(pid: u32, address: u64) -> io::Result<u8> {
    let mut byte = [0];
    file::memory(pid)?.read_exact_at(&mut byte, address)?;
    Ok(byte[0])
}

#[cfg(test)]
mod tests;

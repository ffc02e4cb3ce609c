//! How a V8 computes the limit of a heap: `Heap::MaxReserved` of the very binary, understood instruction by instruction.
//!
//! In every release so far the limit is `factor * max_semi_space_size + max_old_generation_size`; where the parts lie
//! differs by release and build. The factor is 3, or 2 where the flag `--minor-ms` is set (V8 12 on). Code that is not of
//! this form is refused: then the limit is unknown, never guessed.

mod machine;

use memwatch_common::target::{LimitLayout, NO_OFFSET};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::sum::{Place, Sum};

/// Bytes of code that hold every `MaxReserved` seen so far (the longest has 43).
pub(crate) const CODE_LEN: usize = 96;

/// `factor * max_semi_space + max_old_generation`, and where each is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitFormula {
    /// Offset in the heap of the maximal size of a semi-space.
    pub max_semi_space: u32,
    /// Offset of the maximal size of the old generation, in the heap or in what `indirect` points at.
    pub max_old_generation: u32,
    /// Offset in the heap of a pointer to the object that holds `max_old_generation` (Node 26).
    pub indirect: Option<u32>,
    /// What the semi-space's size counts for.
    pub factor: Factor,
}

/// What the semi-space's size counts for in the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Factor {
    /// Always this.
    Fixed(u64),
    /// It depends on a flag byte, which is constant once V8 runs.
    ByFlag {
        /// The byte's address as linked; the running process adds the file's load bias.
        address: u64,
        /// The factor while the byte is 0.
        clear: u64,
        /// The factor while it is 1.
        set: u64,
    },
}

/// Why the code of `Heap::MaxReserved` tells us nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum DecodeError {
    /// An instruction that is not known to this module.
    #[error("instruction `{text}` of Heap::MaxReserved is not understood")]
    Instruction {
        /// The instruction.
        text: String,
    },
    /// The code does not return where it should.
    #[error("Heap::MaxReserved does not return within {CODE_LEN} bytes")]
    Endless,
    /// It computes something else.
    #[error("Heap::MaxReserved computes `{sum}`, which is not a limit of the known form")]
    Form {
        /// What it computes.
        sum: String,
    },
}

/// Understands `code`, which begins at address `address` as linked.
pub(crate) fn decode(code: &[u8], address: u64) -> Result<LimitFormula, DecodeError> {
    let clear = machine::run(code, address, 0)?;
    let set = machine::run(code, address, 1)?;
    let form = || DecodeError::Form { sum: clear.sum.to_string() };
    let (one, other) = (split(&clear.sum).ok_or_else(form)?, split(&set.sum).ok_or_else(form)?);
    if (one.semi, one.old) != (other.semi, other.old) {
        return Err(form());
    }
    let factor = match (clear.flag, one.factor == other.factor) {
        (_, true) => Factor::Fixed(one.factor),
        (Some(address), false) => Factor::ByFlag { address, clear: one.factor, set: other.factor },
        (None, false) => return Err(form()),
    };
    let (indirect, max_old_generation) = match one.old {
        Place::At(offset) => (None, offset),
        Place::Behind(pointer, offset) => (Some(pointer), offset),
    };
    Ok(LimitFormula { max_semi_space: one.semi, max_old_generation, indirect, factor })
}

struct Parts {
    factor: u64,
    semi: u32,
    old: Place,
}

/// The two summands, if there are exactly two: one counts once, the other two or three times and is in the heap itself.
fn split(sum: &Sum) -> Option<Parts> {
    let [(a, x), (b, y)] = sum.terms()?;
    let (old, (semi, factor)) = if x == 1 { (a, (b, y)) } else { (b, (a, x)) };
    let once = x == 1 || y == 1;
    match semi {
        Place::At(semi) if once && (2..=3).contains(&factor) => {
            Some(Parts { factor: u64::try_from(factor).ok()?, semi, old })
        }
        _ => None,
    }
}

impl LimitFormula {
    /// What the kernel side needs of it.
    #[must_use]
    pub fn layout(&self) -> LimitLayout {
        LimitLayout {
            max_semi_space: self.max_semi_space,
            max_old_generation: self.max_old_generation,
            indirect: self.indirect.unwrap_or(NO_OFFSET),
            _pad: 0,
        }
    }

    /// The factor in a process: `read` gives the byte at an address as linked. Fails if `read` does, or if the byte is
    /// neither 0 nor 1 and so not the flag.
    pub fn factor<E>(&self, read: impl FnOnce(u64) -> Result<u8, E>) -> Result<u64, FactorError<E>> {
        match self.factor {
            Factor::Fixed(factor) => Ok(factor),
            Factor::ByFlag { address, clear, set } => match read(address).map_err(FactorError::Read)? {
                0 => Ok(clear),
                1 => Ok(set),
                byte => Err(FactorError::NotAFlag { byte }),
            },
        }
    }
}

/// Why the factor of a process is not known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FactorError<E> {
    /// The byte could not be read.
    #[error("cannot read the flag that the heap's limit depends on: {0}")]
    Read(E),
    /// The byte is no flag.
    #[error("the flag that the heap's limit depends on is {byte}, neither 0 nor 1")]
    NotAFlag {
        /// The byte.
        byte: u8,
    },
}

#[cfg(test)]
mod tests;

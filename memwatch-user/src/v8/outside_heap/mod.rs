//! Where an isolate keeps books of what it holds outside of its heap, read from the code of exported functions, so that
//! nothing has to be probed: on a busy server array buffers come and go a hundred thousand times a second.
//!
//! ```text
//!  heap ── its offset ──► isolate ──► allocator of array buffers ──► bytes handed out   memoryUsage().arrayBuffers
//!  in the isolate           └──► external bytes, in one part or two                     memoryUsage().external
//! ```
//!
//! Addons need these functions, so they are in stripped builds too. Code that is not of the known form is refused.

mod machine;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, Register};
use memwatch_common::{outside::OutsideLayout, target::NO_OFFSET};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::machine::{Function, ReadCode, Value};
use super::{
    code::{displacement, written},
    sum::{Place, Sum},
};

/// Tells the offsets of the heap and of the external bytes.
pub(crate) const HEAP_STATISTICS: &str = "_ZN2v87Isolate17GetHeapStatisticsEPNS_14HeapStatisticsE";
/// Tells the offset of the allocator.
pub(crate) const ALLOCATOR: &str = "_ZN2v87Isolate23GetArrayBufferAllocatorEv";
/// Node's allocators: table of virtual functions, and `Free`. The second one is `--debug-arraybuffer-allocations`.
pub(crate) const CLASSES: [[&str; 2]; 2] = [
    ["_ZTVN4node24NodeArrayBufferAllocatorE", "_ZN4node24NodeArrayBufferAllocator4FreeEPvm"],
    ["_ZTVN4node29DebuggingArrayBufferAllocatorE", "_ZN4node29DebuggingArrayBufferAllocator4FreeEPvm"],
];
/// Bytes from the symbol of a table of virtual functions to the first of them (Itanium C++ ABI): objects point there.
pub(crate) const TABLE_HEADER: u64 = 16;

/// Bytes of code that hold every short function read here (the longest, `Heap::backing_store_bytes`, has 35).
pub(crate) const CODE_LEN: usize = 96;
/// No function read here is longer: the longest `GetHeapStatistics` has 360 bytes.
pub(crate) const MAX_CODE: u64 = 2048;

/// Offset of `external_memory_` in `v8::HeapStatistics`. Addons have the layout compiled in; it has only grown at its end
/// since V8 7.8.
const EXTERNAL_MEMORY: i64 = 0x38;

/// Where the books are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// Offset of the heap in its isolate.
    pub heap: u32,
    /// Offset in the isolate of the pointer to its allocator of array buffers.
    pub allocator: u32,
    /// Offset in the allocator of the bytes that it handed out.
    pub array_buffers: u32,
    /// Offset in the isolate of the external bytes, or of a part of them.
    pub external: u32,
    /// The other part, if there are two (Node 26): offset in the isolate of a pointer, and offset behind it.
    pub counter: Option<(u32, u32)>,
}

/// Why the code of a function tells us nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum DecodeError {
    /// The heap's offset.
    #[error("the code of Isolate::GetHeapStatistics does not show where the heap is in its isolate")]
    Heap,
    /// The external bytes.
    #[error("the code of Isolate::GetHeapStatistics does not show where the external bytes are")]
    External,
    /// The allocator.
    #[error("the code of Isolate::GetArrayBufferAllocator is not that of a getter")]
    Allocator,
    /// The bytes handed out.
    #[error("the code of NodeArrayBufferAllocator::Free does not show where the allocator counts its bytes")]
    ArrayBuffers,
}

/// A function's code, and where it is linked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// The address.
    pub address: u64,
}

/// The functions that tell where the books are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sources<'a> {
    /// All of [`HEAP_STATISTICS`].
    pub heap_statistics: Code<'a>,
    /// The beginning of [`ALLOCATOR`].
    pub allocator: Code<'a>,
    /// The beginning of `NodeArrayBufferAllocator::Free`.
    pub free: Code<'a>,
}

/// Understands `sources`. `read` gives [`CODE_LEN`] bytes of code at an address as linked, for what they call.
pub(crate) fn decode(
    sources: &Sources<'_>,
    read: &dyn Fn(u64) -> Option<Vec<u8>>,
) -> Result<Books, DecodeError> {
    let (heap, external) = statistics(sources.heap_statistics, read)?;
    let (external, counter) = split(&external).ok_or(DecodeError::External)?;
    Ok(Books {
        heap,
        allocator: getter(sources.allocator, read).ok_or(DecodeError::Allocator)?,
        array_buffers: counted(sources.free).ok_or(DecodeError::ArrayBuffers)?,
        external,
        counter,
    })
}

/// The offset of the heap, and what the external bytes are the sum of.
fn statistics(code: Code<'_>, read: ReadCode<'_>) -> Result<(u32, Sum), DecodeError> {
    let run = machine::run(code.function(), EXTERNAL_MEMORY, read).ok_or(DecodeError::External)?;
    // It asks the heap for one thing after another, and no other part of the isolate that is not behind a pointer.
    let heap = match run.called_for.iter().collect::<Vec<_>>()[..] {
        [heap] => u32::try_from(*heap).map_err(|_| DecodeError::Heap)?,
        _ => return Err(DecodeError::Heap),
    };
    external(&run.stored).map(|sum| (heap, sum)).ok_or(DecodeError::External)
}

/// What is stored on every path. V8 cuts it to what a `size_t` holds, so that -1 is stored on one of them.
fn external(stored: &[Option<Value>]) -> Option<Sum> {
    let mut found: Option<&Sum> = None;
    for value in stored {
        let Some(Value::Sum(sum)) = value else { return None };
        if sum.as_constant() != Some(-1) && *found.get_or_insert(sum) != sum {
            return None;
        }
    }
    found.cloned()
}

/// One word of the isolate, and possibly one behind a pointer of it.
fn split(sum: &Sum) -> Option<(u32, Option<(u32, u32)>)> {
    match (sum.as_word(), sum.terms()) {
        (Some(Place::At(word)), _) => Some((word, None)),
        (_, Some([(Place::At(word), 1), (Place::Behind(pointer, offset), 1)])) => {
            Some((word, Some((pointer, offset))))
        }
        _ => None,
    }
}

/// The offset of the word that a function returns and does nothing else.
fn getter(code: Code<'_>, read: ReadCode<'_>) -> Option<u32> {
    let run = machine::run(code.function(), EXTERNAL_MEMORY, read)?;
    match run.only_result()? {
        Value::Sum(sum) => match sum.as_word()? {
            Place::At(offset) => Some(offset),
            Place::Behind(..) => None,
        },
        _ => None,
    }
}

/// The offset in its object that a function subtracts from, locked, before it does anything else.
fn counted(code: Code<'_>) -> Option<u32> {
    for instruction in Decoder::with_ip(64, code.bytes, code.address, DecoderOptions::NONE) {
        if instruction.has_lock_prefix() {
            return counter_of(&instruction);
        }
        let is_left = instruction.is_invalid() || instruction.flow_control() != FlowControl::Next;
        if is_left || written(&instruction).contains(&Register::RDI) {
            return None;
        }
    }
    None
}

fn counter_of(instruction: &Instruction) -> Option<u32> {
    let is_known = matches!(instruction.mnemonic(), Mnemonic::Sub | Mnemonic::Add | Mnemonic::Xadd)
        && instruction.memory_base() == Register::RDI
        && instruction.memory_index() == Register::None
        && instruction.memory_size().size() == 8;
    u32::try_from(displacement(instruction)).ok().filter(|_| is_known)
}

impl<'a> Code<'a> {
    fn function(self) -> Function<'a> {
        Function { code: self.bytes, address: self.address }
    }
}

impl Books {
    /// What the kernel side needs; `classes` is how far `Free` is above its table in each of [`CLASSES`], or 0.
    #[must_use]
    pub fn layout(&self, classes: [u64; 2]) -> OutsideLayout {
        let (counter, counter_bytes) = self.counter.unwrap_or((NO_OFFSET, NO_OFFSET));
        OutsideLayout {
            heap: self.heap,
            allocator: self.allocator,
            array_buffers: self.array_buffers,
            external: self.external,
            counter,
            counter_bytes,
            classes,
        }
    }
}

#[cfg(test)]
mod tests;

//! Where a glibc has its books: `malloc_stats`, which it exports, read instruction by instruction.
//!
//! The function goes round the ring of arenas, `ar_ptr = ar_ptr->next; if (ar_ptr == &main_arena) break;`, and prints
//! `mp_.mmapped_mem` and `mp_.max_mmapped_mem`, which are neighbours. Neither `main_arena` nor `mp_` has a symbol.

use std::{collections::BTreeMap, ops::Range};

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use thiserror::Error;

use super::layout::{MAX_MMAPPED, Version};

/// Where `next` can be in an arena: it has 254 words before it, and little besides them.
const NEXT_RANGE: Range<u64> = 0x7f0..0x1000;

/// What `malloc_stats` reads, addresses as linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// `main_arena`.
    pub(super) main_arena: u64,
    /// Offset of `next` in an arena.
    pub(super) next: u64,
    /// `mp_.mmapped_mem`.
    pub(super) mmapped: u64,
}

/// Why code tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// There is no such loop in it.
    #[error("no loop through the arenas")]
    Ring,
    /// There are no such words.
    #[error("no count of mapped bytes")]
    Mmapped,
    /// It does not return the address of a text.
    #[error("no text that is returned")]
    Text,
}

/// What a register holds.
#[derive(Clone, Copy)]
enum Value {
    Address(u64),
    /// What was read at this offset from a register.
    Field(u64),
}

/// Understands the code of `malloc_stats`, which begins at `address`.
pub(super) fn places(code: &[u8], address: u64) -> Result<Places, DecodeError> {
    let mut registers = BTreeMap::new();
    let (mut ring, mut words) = (None, Vec::new());
    for instruction in instructions(code, address) {
        match value(&instruction) {
            Some(value) => drop(registers.insert(instruction.op0_register(), value)),
            None if instruction.mnemonic() == Mnemonic::Cmp => {
                ring = ring.or_else(|| compared(&instruction, &registers));
            }
            None => drop(registers.remove(&instruction.op0_register().full_register())),
        }
        words.extend(global_word(&instruction));
    }
    let (main_arena, next) = ring.ok_or(DecodeError::Ring)?;
    let is_followed = |word: &&u64| words.contains(&word.wrapping_add(MAX_MMAPPED));
    let mmapped = *words.iter().find(is_followed).ok_or(DecodeError::Mmapped)?;
    Ok(Places { main_arena, next, mmapped })
}

/// Where the text is that the function whose code begins at `address` returns, if it does nothing else.
pub(super) fn returned_text(code: &[u8], address: u64) -> Result<u64, DecodeError> {
    let is_mark = |instruction: &Instruction| instruction.mnemonic() == Mnemonic::Endbr64;
    let mut instructions = instructions(code, address).skip_while(is_mark);
    let (first, second) = (instructions.next(), instructions.next());
    match first.and_then(|first| Some((first.op0_register(), value(&first)?))) {
        Some((Register::RAX, Value::Address(text)))
            if second.is_some_and(|second| second.mnemonic() == Mnemonic::Ret) =>
        {
            Ok(text)
        }
        _ => Err(DecodeError::Text),
    }
}

/// Two numbers with a point between them, as `gnu_get_libc_version` returns them.
pub(super) fn version(text: &[u8]) -> Option<Version> {
    let text = str::from_utf8(text.split(|byte| *byte == 0).next()?).ok()?;
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn instructions(code: &[u8], address: u64) -> impl Iterator<Item = Instruction> {
    Decoder::with_ip(64, code, address, DecoderOptions::NONE).into_iter()
}

/// What a 64-bit register gets, if it is of interest.
fn value(instruction: &Instruction) -> Option<Value> {
    let (from, is_relative) = (instruction.memory_displacement64(), instruction.is_ip_rel_memory_operand());
    let is_load = instruction.op0_register().is_gpr64() && instruction.op1_kind() == OpKind::Memory;
    match instruction.mnemonic() {
        Mnemonic::Lea if is_load && is_relative => Some(Value::Address(from)),
        Mnemonic::Mov if is_load && !is_relative && NEXT_RANGE.contains(&from) => Some(Value::Field(from)),
        _ => None,
    }
}

/// A 64-bit word at a fixed address that is read.
fn global_word(instruction: &Instruction) -> Option<u64> {
    let is_load = instruction.mnemonic() == Mnemonic::Mov && instruction.op0_register().is_gpr64();
    (is_load && instruction.is_ip_rel_memory_operand()).then(|| instruction.memory_displacement64())
}

/// An address and the offset of the field that it is compared with.
fn compared(instruction: &Instruction, registers: &BTreeMap<Register, Value>) -> Option<(u64, u64)> {
    let one = registers.get(&instruction.op0_register())?;
    match (one, registers.get(&instruction.op1_register())?) {
        (Value::Address(address), Value::Field(offset)) | (Value::Field(offset), Value::Address(address)) => {
            Some((*address, *offset))
        }
        _ => None,
    }
}

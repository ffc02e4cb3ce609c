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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of `malloc_stats` without the instructions that do not matter here: pieces by their addresses.
    type Pieces = [(u64, &'static str); 4];

    const GLIBC_2_31: (u64, Pieces) = (
        0x8_73c0,
        [
            (0x8_73ce, "4c 8b 35 e3 6e 14 00"),
            (0x8_73f6, "4c 8b 25 b3 69 14 00 48 8d 1d 7c 77 14 00"),
            (0x8_74ca, "48 8b 9b 70 08 00 00 48 8d 05 a8 76 14 00 48 39 c3"),
            (0x8_7551, "48 8b 15 68 6d 14 00"),
        ],
    );
    const GLIBC_2_36: (u64, Pieces) = (
        0x9_9f10,
        [
            (0x9_9f1e, "4c 8b 25 6b 94 13 00"),
            (0x9_9f47, "48 8b 1d 2a 8f 13 00 90 90 90 90 90 4c 8d 35 06 9d 13 00"),
            (0x9_a011, "4d 8b b6 70 08 00 00 48 8d 05 41 9c 13 00 49 39 c6"),
            (0x9_a085, "48 8b 15 0c 93 13 00"),
        ],
    );
    const GLIBC_2_41: (u64, Pieces) = (
        0xa_4430,
        [
            (0xa_4453, "4c 8b 25 76 0d 14 00"),
            (0xa_4465, "48 8b 1d 2c 0a 14 00 90 90 90 90 90 4c 8d 35 48 16 14 00"),
            (0xa_4550, "4d 8b b6 70 08 00 00 48 8d 05 62 15 14 00 49 39 c6"),
            (0xa_45da, "48 8b 0d f7 0b 14 00"),
        ],
    );

    fn bytes(hex: &str) -> Vec<u8> {
        hex.split_ascii_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
    }

    /// The pieces at their places, and instructions that do nothing between them.
    fn code((start, pieces): (u64, Pieces)) -> Vec<u8> {
        let mut code = vec![0x90; 600];
        for (address, hex) in pieces {
            let at = usize::try_from(address - start).unwrap();
            code.splice(at..at + bytes(hex).len(), bytes(hex));
        }
        code
    }

    /// Expected addresses are those of the symbols in the releases' debug information.
    #[test]
    fn every_release_is_understood() {
        for (release, main_arena, mmapped) in [
            (GLIBC_2_31, 0x1c_eb80, 0x1c_e280 + 0x38),
            (GLIBC_2_36, 0x1d_3c60, 0x1d_3340 + 0x50),
            (GLIBC_2_41, 0x1e_5ac0, 0x1e_5180 + 0x50),
        ] {
            let expected = Places { main_arena, next: 0x870, mmapped };
            assert_eq!(places(&code(release), release.0), Ok(expected));
        }
    }

    #[test]
    fn what_is_not_the_known_form_is_refused() {
        let without = |piece: usize| {
            let (start, mut pieces) = GLIBC_2_36;
            pieces[piece].1 = "90";
            places(&code((start, pieces)), start)
        };
        assert_eq!(without(0), Err(DecodeError::Mmapped));
        assert_eq!(without(2), Err(DecodeError::Ring));
        assert_eq!(without(3), Err(DecodeError::Mmapped));
        assert_eq!(places(&[], 0), Err(DecodeError::Ring));
        let overwritten = bytes("48 8d 05 41 9c 13 00 31 c0 4d 8b b6 70 08 00 00 49 39 c6");
        assert_eq!(places(&overwritten, 0), Err(DecodeError::Ring));
    }

    #[test]
    fn the_version_is_a_text_that_is_returned() {
        for (hex, text) in [
            ("48 8d 05 33 14 17 00 c3", Ok(0x17_143a)),
            ("f3 0f 1e fa 48 8d 05 33 14 17 00 c3", Ok(0x17_143e)),
            ("48 8d 05 33 14 17 00 90", Err(DecodeError::Text)),
            ("48 8d 1d 33 14 17 00 c3", Err(DecodeError::Text)),
            ("", Err(DecodeError::Text)),
        ] {
            assert_eq!(returned_text(&bytes(hex), 0), text, "{hex}");
        }
        for (text, expected) in
            [(&b"2.36\0stable"[..], Some((2, 36))), (b"2\0", None), (b"\xff.1\0", None), (b"", None)]
        {
            assert_eq!(version(text), expected, "{text:?}");
        }
    }
}

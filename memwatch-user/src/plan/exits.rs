//! Where control leaves a function for good: each `ret`, and each jump to another function (a tail call).
//!
//! A return probe replaces the return address on the stack, and V8's stack walk reads that address if generated code made
//! the call, or if a function that generated code called ends in a jump to ours, as `GCExtension::GC` does: Node 20 dies of
//! it. A breakpoint on the last instruction leaves the stack alone. Code that is not understood to the last jump has no
//! exits: a missed one would leave collections without an end.

use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions, FlowControl, OpKind};

use super::Unresolved;
use crate::target::elf::{Elf, Machine, Symbol};

/// No function of ours is longer: the largest `CollectGarbage` of Node 12 to 26 has 5 961 bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// A function's body, or the part of it that the compiler put elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    address: u64,
    code: Vec<u8>,
}

/// What an instruction does to control, as far as exits go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// It goes on, or to a place that it comes back from.
    On,
    Return,
    Jump(u64),
    JumpIf(u64),
    JumpIndirect,
    Unknown,
}

/// Linked addresses of the exits of `body` and its `.cold` part, ascending in each; the reason if they cannot be told.
pub(super) fn exits(elf: &Elf, body: &Symbol, cold: Option<&Symbol>) -> Result<Vec<u64>, Unresolved> {
    let symbols = [Some(body), cold].into_iter().flatten();
    let parts = symbols.map(|symbol| part(elf, symbol)).collect::<Result<Vec<_>, _>>()?;
    let exits = exits_of(&parts, elf.machine, elf.has_full_table())?;
    if exits.is_empty() { Err(Unresolved::NoExit) } else { Ok(exits) }
}

fn part(elf: &Elf, symbol: &Symbol) -> Result<Part, Unresolved> {
    let size = Some(symbol.size).filter(|size| (1..=MAX_BYTES).contains(size));
    let last = size.and_then(|size| symbol.address.checked_add(size - 1)).ok_or(Unresolved::Size)?;
    let offset = |address| elf.code_offset(address).ok_or_else(|| Unresolved::outside("its code"));
    let (start, end) = (offset(symbol.address)?, offset(last)?);
    if end.checked_sub(start) != Some(symbol.size - 1) {
        return Err(Unresolved::outside("its code"));
    }
    let mut code = vec![0; usize::try_from(symbol.size).unwrap_or_default()];
    elf.read(start, &mut code).map_err(|error| Unresolved::unreadable("its code", error))?;
    Ok(Part { address: symbol.address, code })
}

/// `has_all_names`: whether a `.cold` part would have been found, so that a jump out of `parts` is a tail call.
fn exits_of(parts: &[Part], machine: Machine, has_all_names: bool) -> Result<Vec<u64>, Unresolved> {
    let ranges: Vec<Range<u64>> =
        parts.iter().map(|part| part.address..part.address + part.code.len() as u64).collect();
    let is_inside = |target: u64| ranges.iter().any(|range| range.contains(&target));
    let mut exits = Vec::new();
    for (address, flow) in parts.iter().flat_map(|part| flows(part, machine)) {
        match flow {
            Flow::Return => exits.push(address),
            Flow::Jump(target) if !is_inside(target) && has_all_names => exits.push(address),
            Flow::Jump(target) | Flow::JumpIf(target) if !is_inside(target) => {
                // A probe on a conditional jump runs whether the jump is taken or not.
                return Err(Unresolved::Jump { at: address, to: format!("{target:#x}") });
            }
            Flow::JumpIndirect => {
                return Err(Unresolved::Jump { at: address, to: "a computed place".to_owned() });
            }
            Flow::Unknown => return Err(Unresolved::Code(address)),
            Flow::On | Flow::Jump(_) | Flow::JumpIf(_) => {}
        }
    }
    Ok(exits)
}

fn flows(part: &Part, machine: Machine) -> Vec<(u64, Flow)> {
    if machine != Machine::X86_64 {
        let words = part.code.chunks(4).zip((part.address..).step_by(4));
        return words.map(|(bytes, address)| (address, arm_flow(bytes, address))).collect();
    }
    let decoder = Decoder::with_ip(64, &part.code, part.address, DecoderOptions::NONE);
    let instructions = decoder.into_iter();
    instructions.map(|instruction| (instruction.ip(), x86_flow(&instruction))).collect()
}

fn x86_flow(instruction: &iced_x86::Instruction) -> Flow {
    let is_near = instruction.op0_kind() == OpKind::NearBranch64;
    let target = instruction.near_branch_target();
    match instruction.flow_control() {
        _ if instruction.is_invalid() => Flow::Unknown,
        FlowControl::Return => Flow::Return,
        FlowControl::UnconditionalBranch if is_near => Flow::Jump(target),
        FlowControl::ConditionalBranch if is_near => Flow::JumpIf(target),
        FlowControl::IndirectBranch => Flow::JumpIndirect,
        FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => Flow::Unknown,
        _ => Flow::On,
    }
}

/// The branches of the A64 instruction set (Arm Architecture Reference Manual, C4.1.66).
fn arm_flow(bytes: &[u8], address: u64) -> Flow {
    let Ok(word) = <[u8; 4]>::try_from(bytes).map(u32::from_le_bytes) else { return Flow::Unknown };
    // The displacement, in words, is `bits` wide and begins at bit `low`.
    let to = |low: u32, bits: u32| {
        let words = i64::from((word << (32 - low - bits)).cast_signed() >> (32 - bits));
        address.wrapping_add_signed(words * 4)
    };
    match word {
        _ if word & 0xfc00_0000 == 0x1400_0000 => Flow::Jump(to(0, 26)),
        // `b.cond`, `cbz` and `cbnz`; then `tbz` and `tbnz`.
        _ if word & 0xff00_0000 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 => {
            Flow::JumpIf(to(5, 19))
        }
        _ if word & 0x7e00_0000 == 0x3600_0000 => Flow::JumpIf(to(5, 14)),
        // `ret`, `retaa` and `retab`; then `br` and its authenticating forms.
        _ if word & 0xffff_fc1f == 0xd65f_0000 || word | 0x400 == 0xd65f_0fff => Flow::Return,
        _ if word & 0xfeff_f000 == 0xd61f_0000 => Flow::JumpIndirect,
        _ => Flow::On,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: u64 = 0x1000;
    const COLD: u64 = 0x900;

    fn found(
        body: &[u8],
        cold: &[u8],
        machine: Machine,
        has_all_names: bool,
    ) -> Result<Vec<u64>, Unresolved> {
        let part = |address, code: &[u8]| Part { address, code: code.to_vec() };
        exits_of(&[part(BODY, body), part(COLD, cold)], machine, has_all_names)
    }

    #[test]
    fn returns_and_tail_calls_are_exits() {
        for (body, cold, exits) in [
            // ret; je back; repz ret
            (&[0xc3, 0x74, 0xfd, 0xf3, 0xc3][..], &[][..], &[0x1000, 0x1003][..]),
            // pop rbp; jmp 0x2000
            (&[0x5d, 0xe9, 0xfa, 0x0f, 0, 0], &[], &[0x1001]),
            // jmp to the cold part; there: nop; ret
            (&[0xe9, 0xfb, 0xf8, 0xff, 0xff], &[0x90, 0xc3], &[0x901]),
            // je to the cold part, ret; there: jmp back to the ret
            (&[0x0f, 0x84, 0xfa, 0xf8, 0xff, 0xff, 0xc3], &[0xe9, 0x01, 0x07, 0, 0], &[0x1006]),
            // call elsewhere; ud2
            (&[0xe8, 0, 0x10, 0, 0, 0x0f, 0x0b], &[], &[]),
        ] {
            assert_eq!(found(body, cold, Machine::X86_64, true), Ok(exits.to_vec()), "{body:x?}");
        }
    }

    #[test]
    fn what_is_not_understood_to_the_last_jump_has_no_exits() {
        for (body, has_all_names, why) in [
            // je 0x2000
            (&[0x0f, 0x84, 0xfa, 0x0f, 0, 0, 0xc3][..], true, "jumps to 0x2000"),
            // jmp rax; notrack jmp rax
            (&[0xff, 0xe0, 0xc3], true, "computed place"),
            (&[0x3e, 0xff, 0xe0, 0xc3], true, "computed place"),
            // No such instruction; one that the end cuts off.
            (&[0x06, 0xc3], true, "0x1000 is not understood"),
            (&[0xc3, 0xe9, 0], true, "0x1001 is not understood"),
            // A tail call, or a jump to a cold part whose name was stripped.
            (&[0x5d, 0xe9, 0xfa, 0x0f, 0, 0], false, "jumps to 0x2000"),
        ] {
            let error = found(body, &[], Machine::X86_64, has_all_names).unwrap_err();
            assert!(error.to_string().contains(why), "{body:x?}: {error}");
        }
    }

    #[test]
    fn arm_branches_are_told_by_their_words() {
        for (word, flow) in [
            (0xd65f_03c0_u32, Flow::Return),
            (0xd65f_0bff, Flow::Return),
            (0xd65f_0fff, Flow::Return),
            (0x1400_0002, Flow::Jump(0x1008)),
            (0x17ff_ffff, Flow::Jump(0xffc)),
            (0x5400_0040, Flow::JumpIf(0x1008)),
            (0xb4ff_ffe0, Flow::JumpIf(0xffc)),
            (0x3600_0040, Flow::JumpIf(0x1008)),
            (0xd61f_0200, Flow::JumpIndirect),
            (0xd71f_0a11, Flow::JumpIndirect),
            (0x9400_0002, Flow::On),
            (0xd63f_0000, Flow::On),
            (0xd503_201f, Flow::On),
        ] {
            assert_eq!(arm_flow(&word.to_le_bytes(), BODY), flow, "{word:#x}");
        }
        assert_eq!(found(&[0xc0, 0x03, 0x5f, 0xd6], &[], Machine::Aarch64, true), Ok(vec![BODY]));
        assert!(found(&[0xc0, 0x03], &[], Machine::Aarch64, true).is_err());
    }
}

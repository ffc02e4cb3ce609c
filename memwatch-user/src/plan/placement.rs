//! At which instruction of a function a probe sits, and what the kernel does with that instruction.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};

use super::CODE_BYTES;
use crate::target::elf::Machine;

/// An instruction that begins so cannot be probed: the kernel refuses the `lock` prefix (`is_prefix_bad` in its
/// `arch/x86/kernel/uprobes.c`), silently if the probe is put in before the file is mapped.
const LOCK: u8 = 0xf0;

/// A place in a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// Bytes from the function's first instruction.
    pub(super) offset: u64,
    /// The instruction there, for people.
    pub(super) instruction: String,
    /// Whether the kernel emulates it.
    pub(super) emulated: bool,
}

/// Where a probe goes in a function that begins with `code` and is linked at `address`: its first instruction, or its
/// second if the first cannot be probed and leaves the argument registers as they are. `None` if there is no such place.
pub(super) fn place(code: &[u8; CODE_BYTES], address: u64, machine: Machine) -> Option<Placement> {
    if machine != Machine::X86_64 {
        let word = u32::from_le_bytes([code[0], code[1], code[2], code[3]]);
        return Some(Placement { offset: 0, instruction: format!(".word {word:#010x}"), emulated: false });
    }
    let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    let mut instruction = decoder.decode();
    if code[0] == LOCK {
        // It works on memory: the `lock` forms that write a register (`xadd`, `cmpxchg`, `xchg`) do not.
        let keeps_registers = instruction.op1_kind() != OpKind::Register
            || matches!(
                instruction.mnemonic(),
                Mnemonic::Add | Mnemonic::Sub | Mnemonic::And | Mnemonic::Or | Mnemonic::Xor
            );
        if !keeps_registers || instruction.is_invalid() {
            return None;
        }
        instruction = decoder.decode();
    }
    let offset = instruction.ip().wrapping_sub(address);
    let is_probed = !instruction.is_invalid() && code.get(usize::try_from(offset).ok()?) != Some(&LOCK);
    is_probed.then(|| Placement {
        offset,
        instruction: instruction.to_string(),
        emulated: is_emulated(&instruction),
    })
}

/// What the kernel emulates in the trap itself (`branch_setup_xol_ops`, `push_setup_xol_ops`, same file): relative jumps
/// and calls, `nop`, and `push` of a 64-bit register. Anything else is stepped out of line, which takes a second trap.
pub(super) fn is_emulated(instruction: &Instruction) -> bool {
    let is_relative = instruction.op0_kind() == OpKind::NearBranch64;
    match instruction.flow_control() {
        FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch | FlowControl::Call => is_relative,
        _ => match instruction.mnemonic() {
            Mnemonic::Nop => instruction.op_count() == 0,
            Mnemonic::Push => instruction.op0_kind() == OpKind::Register,
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(start: &[u8]) -> Option<(u64, String, bool)> {
        let mut code = [0x90; CODE_BYTES];
        code[..start.len()].copy_from_slice(start);
        place(&code, 0x1000, Machine::X86_64).map(|at| (at.offset, at.instruction, at.emulated))
    }

    #[test]
    fn the_first_instruction_is_probed_and_its_cost_is_known() {
        for (bytes, instruction, emulated) in [
            (&[0x55][..], "push rbp", true),
            (&[0x41, 0x57], "push r15", true),
            (&[0x90], "nop", true),
            (&[0xe9, 0x00, 0x01, 0x00, 0x00], "jmp 0000000000001105h", true),
            (&[0x74, 0x10], "je short 0000000000001012h", true),
            (&[0xf3, 0x0f, 0x1e, 0xfa], "endbr64", false),
            (&[0x48, 0x8b, 0x47, 0x50], "mov rax,[rdi+50h]", false),
            (&[0xff, 0xe0], "jmp rax", false),
            (&[0x6a, 0x01], "push 1", false),
        ] {
            assert_eq!(placed(bytes), Some((0, instruction.to_owned(), emulated)), "{bytes:x?}");
        }
    }

    #[test]
    fn a_lock_prefix_moves_the_probe_on() {
        // NodeArrayBufferAllocator::Free of GCC builds: lock sub [rdi+10h],rdx.
        let free = [0xf0, 0x48, 0x29, 0x57, 0x10, 0x48, 0x8b, 0x3e];
        assert_eq!(placed(&free), Some((5, "mov rdi,[rsi]".to_owned(), false)));
        // lock xadd [rdi],rsi changes an argument; and two in a row leave no place.
        assert_eq!(placed(&[0xf0, 0x48, 0x0f, 0xc1, 0x37]), None);
        assert_eq!(placed(&[0xf0, 0x48, 0x29, 0x57, 0x10, 0xf0, 0x48, 0x29, 0x57, 0x18]), None);
    }

    #[test]
    fn what_is_not_code_has_no_place() {
        assert_eq!(placed(&[0x06]), None);
    }

    #[test]
    fn arm_is_probed_at_its_first_word() {
        let at = place(&[1; CODE_BYTES], 0, Machine::Aarch64).unwrap();
        assert_eq!((at.offset, at.instruction.as_str()), (0, ".word 0x01010101"));
    }
}

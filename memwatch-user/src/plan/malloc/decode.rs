//! Where inside of an allocator's functions a probe is cheap and sees what it must: by their instructions alone.

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};

use super::super::placement::is_emulated;

/// Bytes of a function that are looked at: `malloc` of glibc 2.36 has 0x310.
pub(super) const CODE_BYTES: usize = 0x400;
/// An entry probe goes no further than this many instructions into a function.
const ENTRY_INSTRUCTIONS: usize = 6;
/// The arguments that probes on entries read.
const ARGUMENTS: [Register; 3] = [Register::RDI, Register::RSI, Register::RDX];

/// The instructions of `code`, linked at `address`, up to the first that is none.
pub(super) fn instructions(code: &[u8], address: u64) -> Vec<Instruction> {
    let decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    decoder.into_iter().take_while(|instruction| !instruction.is_invalid()).collect()
}

/// The first instruction of a function that the kernel emulates, if every call passes it with the arguments as they were
/// given; else the very first one. glibc's `free` begins with a `test`, which would cost a second trap, and a `je`, which
/// does not: 540 instead of 10 000 ns on a virtual machine.
pub(super) fn entry(code: &[Instruction]) -> Option<&Instruction> {
    let mut info = InstructionInfoFactory::new();
    for instruction in code.iter().take(ENTRY_INSTRUCTIONS) {
        if is_emulated(instruction) {
            return Some(instruction);
        }
        let changes_arguments =
            info.info(instruction).used_registers().iter().any(|used| {
                is_written(used.access()) && ARGUMENTS.contains(&used.register().full_register())
            });
        if changes_arguments || instruction.flow_control() != FlowControl::Next {
            break;
        }
    }
    code.first()
}

fn is_written(access: OpAccess) -> bool {
    matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

/// The conditional jumps that follow `call X; test rax,rax`, by X: what a function does with the result of another that it
/// calls. At them the result is in rax, and the kernel emulates them.
pub(super) fn checked_calls(code: &[Instruction]) -> Vec<(u64, &Instruction)> {
    let triples = code.windows(3).filter_map(|three| {
        let [call, test, jump] = three else { return None };
        let is_check = call.code() == Code::Call_rel32_64
            && is_test_of_result(test)
            && matches!(jump.mnemonic(), Mnemonic::Je | Mnemonic::Jne)
            && is_emulated(jump);
        is_check.then(|| (call.near_branch_target(), jump))
    });
    triples.collect()
}

fn is_test_of_result(test: &Instruction) -> bool {
    test.mnemonic() == Mnemonic::Test
        && test.op0_register() == Register::RAX
        && test.op1_register() == Register::RAX
}

/// glibc's fast path, 2.32 on: the block has been taken from the thread's cache into rax, and a misaligned one leads to an
/// abort (`tcache_get`: "malloc(): unaligned tcache chunk detected"). The jump after `test al,15`, if there is exactly one.
pub(super) fn cache_hit(code: &[Instruction]) -> Option<&Instruction> {
    let mut hits = code.windows(3).filter_map(|three| {
        let [load, test, jump] = three else { return None };
        let is_load = load.mnemonic() == Mnemonic::Mov
            && load.op0_register() == Register::RAX
            && load.op1_kind() == OpKind::Memory;
        let is_test = test.mnemonic() == Mnemonic::Test
            && test.op0_register() == Register::AL
            && test.immediate8() == 15;
        (is_load && is_test && jump.mnemonic() == Mnemonic::Jne && is_emulated(jump)).then_some(jump)
    });
    let hit = hits.next()?;
    hits.next().is_none().then_some(hit)
}

/// Addresses that calls of a function return to.
pub(super) fn return_addresses(code: &[Instruction]) -> impl Iterator<Item = u64> {
    let is_call = |instruction: &&Instruction| instruction.flow_control() == FlowControl::Call;
    code.iter().filter(is_call).map(Instruction::next_ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts of glibc 2.36's `malloc` (Debian 12): the fast path, and one call of `_int_malloc`.
    const MALLOC: &[u8] = &[
        0x41, 0x54, // push r12
        0x48, 0x8b, 0x04, 0xfa, // mov rax,[rdx+rdi*8]
        0xa8, 0x0f, // test al,15
        0x75, 0x10, // jne
        0xe8, 0x00, 0x10, 0x00, 0x00, // call
        0x48, 0x85, 0xc0, // test rax,rax
        0x74, 0x20, // je
        0xc3, // ret
    ];

    fn place(of: Option<&Instruction>) -> Option<u64> {
        of.map(Instruction::ip)
    }

    #[test]
    fn the_jumps_behind_the_fast_and_the_slow_path_are_found() {
        let code = instructions(MALLOC, 0x1000);
        assert_eq!(place(cache_hit(&code)), Some(0x1008));
        let calls: Vec<_> = checked_calls(&code).iter().map(|(to, jump)| (*to, jump.ip())).collect();
        assert_eq!(calls, [(0x200f, 0x1012)]);
        let twice = [MALLOC, MALLOC].concat();
        assert_eq!(place(cache_hit(&instructions(&twice, 0))), None);
    }

    #[test]
    fn an_entry_probe_goes_where_the_kernel_emulates_and_the_arguments_still_are() {
        for (code, expected) in [
            (&[0x55, 0xc3][..], 0),                           // push rbp
            (&[0x48, 0x85, 0xff, 0x74, 0x10, 0xc3], 3),       // test rdi,rdi; je
            (&[0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0x57, 0xc3], 4), // endbr64; push r15
            (&[0x48, 0x89, 0xf7, 0x55, 0xc3], 0),             // mov rdi,rsi; push rbp
            (&[0x31, 0xff, 0x55, 0xc3], 0),                   // xor edi,edi; push rbp
            (&[0xff, 0xe0, 0x55], 0),                         // jmp rax; push rbp
            (&[0x90, 0xc3], 0),                               // nop
        ] {
            assert_eq!(place(entry(&instructions(code, 0))), Some(expected), "{code:x?}");
        }
    }

    #[test]
    fn return_addresses_are_behind_calls() {
        let code = instructions(MALLOC, 0x1000);
        assert_eq!(return_addresses(&code).collect::<Vec<_>>(), [0x100f]);
    }
}

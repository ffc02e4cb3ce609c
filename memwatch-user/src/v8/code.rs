//! What every reader of x86-64 code in this folder needs to know of an instruction.

use iced_x86::{Instruction, InstructionInfoFactory, OpAccess, Register};

/// `memory_displacement64` is the sign-extended displacement as a bit pattern.
pub(super) fn displacement(instruction: &Instruction) -> i64 {
    instruction.memory_displacement64().cast_signed()
}

/// The registers that the instruction changes, or may change, by their 64-bit names.
pub(super) fn written(instruction: &Instruction) -> Vec<Register> {
    let mut factory = InstructionInfoFactory::new();
    let used = factory.info(instruction).used_registers().iter();
    let written = used.filter(|used| !matches!(used.access(), OpAccess::Read | OpAccess::CondRead));
    written.map(|used| used.register().full_register()).collect()
}

//! Sets of general registers.

use iced_x86::{Instruction, InstructionInfoFactory, OpAccess, Register};

use super::is_call;

/// Registers that a callee may leave as something else (System V ABI).
const LOST_IN_CALLS: [Register; 9] = [
    Register::RAX,
    Register::RCX,
    Register::RDX,
    Register::RSI,
    Register::RDI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
];

/// A set of 64-bit general registers; others are never in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registers(u16);

impl Registers {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self(u16::MAX);

    /// One register.
    pub(super) const fn one(register: Register) -> Self {
        let number = (register as u32).wrapping_sub(Register::RAX as u32);
        Self(if number < 16 { 1 << number } else { 0 })
    }

    /// What is something else after an instruction; after a call, whatever the callee does.
    pub(super) fn written_by(instruction: &Instruction) -> Self {
        if is_call(instruction) {
            return LOST_IN_CALLS.into_iter().map(Self::one).fold(Self::NONE, Self::and);
        }
        let is_written = |access| {
            matches!(
                access,
                OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
            )
        };
        let mut info = InstructionInfoFactory::new();
        let used = info.info(instruction).used_registers().iter();
        let written = used.filter(|used| is_written(used.access()));
        written.map(|used| Self::one(used.register().full_register())).fold(Self::NONE, Self::and)
    }

    pub(super) const fn has(self, register: Register) -> bool {
        self.0 & Self::one(register).0 != 0
    }

    /// Both together.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    pub(super) const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Any of them.
    pub(super) fn first(self) -> Option<Register> {
        Register::values().find(|register| self.has(*register))
    }
}

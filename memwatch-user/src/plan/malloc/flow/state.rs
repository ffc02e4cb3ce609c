//! What is known before an instruction, whichever way led there.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::{Node, registers::Registers};

/// The argument registers that a caller may ask after.
const ARGUMENTS: [Register; 2] = [Register::RDI, Register::RSI];

/// Where a function's caller is, from an instruction inside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Bytes from the stack pointer to the caller's frame; the return address is right below it.
    pub size: u64,
    /// Bytes from the stack pointer to where the caller's frame pointer was saved; `None` while it is in its register.
    pub saved_frame_pointer: Option<u64>,
}

/// What is known of the stack and of the registers. Depths are bytes below the caller's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Of the stack pointer.
    depth: u64,
    /// Of the frame pointer, while it is one of this function.
    base: Option<u64>,
    /// The frame pointer is still the caller's.
    is_callers: bool,
    /// Where the caller's frame pointer was saved.
    saved: Option<u64>,
    /// By argument, which registers hold it.
    holders: [Registers; ARGUMENTS.len()],
}

impl State {
    /// Before a function's first instruction there is its return address.
    pub(super) const ENTRY: Self = Self {
        depth: 8,
        base: None,
        is_callers: true,
        saved: None,
        holders: [Registers::one(ARGUMENTS[0]), Registers::one(ARGUMENTS[1])],
    };

    /// What is true either way; `None` if the stack is not the same, as an instruction then has no one frame.
    pub(super) fn meet(self, other: Self) -> Option<Self> {
        let same = |one: Option<u64>, other| one.filter(|_| one == other);
        (self.depth == other.depth).then(|| Self {
            depth: self.depth,
            base: same(self.base, other.base),
            is_callers: self.is_callers && other.is_callers,
            saved: same(self.saved, other.saved),
            holders: std::array::from_fn(|at| self.holders[at].common(other.holders[at])),
        })
    }

    /// After `node`; `None` if nobody knows where the stack is then.
    pub(super) fn after(mut self, node: &Node) -> Option<Self> {
        let instruction = &node.instruction;
        let [to, from] = [instruction.op0_register(), instruction.op1_register()];
        match instruction.mnemonic() {
            Mnemonic::Push => {
                self.depth += 8;
                if to == Register::RBP && self.is_callers {
                    self.saved = Some(self.depth);
                }
                return Some(self);
            }
            Mnemonic::Pop => return self.popped(to),
            Mnemonic::Leave => {
                self.depth = self.base?;
                return self.popped(Register::RBP);
            }
            Mnemonic::Mov if to.is_gpr64() && from.is_gpr64() => return self.moved(to, from),
            _ => {}
        }
        if node.written.has(Register::RSP) {
            self.depth = self.stack_moved(instruction)?;
        }
        self.forget(node.written);
        Some(self)
    }

    fn popped(mut self, to: Register) -> Option<Self> {
        let is_callers = to == Register::RBP && self.saved == Some(self.depth);
        self.forget(Registers::one(to));
        self.is_callers |= is_callers;
        self.depth = self.depth.checked_sub(8)?;
        Some(self)
    }

    fn moved(mut self, to: Register, from: Register) -> Option<Self> {
        if to == Register::RSP {
            self.depth = self.base.filter(|_| from == Register::RBP)?;
            return Some(self);
        }
        self.forget(Registers::one(to));
        if to == Register::RBP && from == Register::RSP {
            self.base = Some(self.depth);
        }
        for holders in &mut self.holders {
            if holders.has(from) {
                *holders = holders.and(Registers::one(to));
            }
        }
        Some(self)
    }

    /// Registers have other values now.
    fn forget(&mut self, registers: Registers) {
        if registers.has(Register::RBP) {
            (self.base, self.is_callers) = (None, false);
        }
        for holders in &mut self.holders {
            *holders = holders.without(registers);
        }
    }

    /// The stack pointer's depth after an instruction that moves it by a number.
    fn stack_moved(&self, instruction: &Instruction) -> Option<u64> {
        let is_number =
            instruction.op1_kind() != OpKind::Register && instruction.op1_kind() != OpKind::Memory;
        match instruction.mnemonic() {
            Mnemonic::Sub if is_number => self.depth.checked_add(instruction.immediate(1)),
            Mnemonic::Add if is_number => self.depth.checked_sub(instruction.immediate(1)),
            Mnemonic::Lea if instruction.memory_index() == Register::None => {
                let from = match instruction.memory_base() {
                    Register::RSP => self.depth,
                    Register::RBP => self.base?,
                    _ => return None,
                };
                from.checked_add_signed(instruction.memory_displacement64().cast_signed().checked_neg()?)
            }
            _ => None,
        }
    }

    /// A register that holds the argument which was in `argument`.
    pub(super) fn holding(&self, argument: Register) -> Option<Register> {
        let at = ARGUMENTS.iter().position(|one| *one == argument)?;
        self.holders[at].first()
    }

    /// Where the caller is; `None` if its frame pointer is lost.
    pub(super) fn frame(&self) -> Option<Frame> {
        let saved = self.saved.map(|saved| self.depth.checked_sub(saved));
        let saved_frame_pointer = if self.is_callers { None } else { Some(saved??) };
        Some(Frame { size: self.depth, saved_frame_pointer })
    }
}

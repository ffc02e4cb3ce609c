//! A machine that runs a few x86-64 instructions on symbols: a register holds a sum of words of the heap, or nothing known.
//!
//! The flag byte is run as 0 and as 1, so that every condition is concrete and there are no branches to follow.

use std::collections::BTreeMap;

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use super::{CODE_LEN, DecodeError};
use crate::v8::{
    code::displacement,
    sum::{Place, Sum},
};

/// What a register holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// The address of the heap, plus an offset.
    Heap(i64),
    /// A number.
    Sum(Sum),
}

/// What a run came to.
pub(super) struct Outcome {
    /// What is returned.
    pub(super) sum: Sum,
    /// Address of the flag byte, if one was read.
    pub(super) flag: Option<u64>,
}

/// Runs `code` with the flag byte, if it reads one, holding `flag`.
pub(super) fn run(code: &[u8], address: u64, flag: u8) -> Result<Outcome, DecodeError> {
    let mut machine = Machine::new(flag);
    let code = &code[..code.len().min(CODE_LEN)];
    for instruction in Decoder::with_ip(64, code, address, DecoderOptions::NONE) {
        if instruction.is_invalid() {
            return Err(DecodeError::Endless);
        }
        if instruction.mnemonic() == Mnemonic::Ret {
            return machine.finish();
        }
        let refused = || DecodeError::Instruction { text: instruction.to_string() };
        machine.step(&instruction).ok_or_else(refused)?;
    }
    Err(DecodeError::Endless)
}

struct Machine {
    registers: BTreeMap<Register, Value>,
    flag: u8,
    flag_address: Option<u64>,
    carry: Option<bool>,
}

impl Machine {
    /// The first argument, the heap, is in `rdi`.
    fn new(flag: u8) -> Self {
        let registers = BTreeMap::from([(Register::RDI, Value::Heap(0))]);
        Self { registers, flag, flag_address: None, carry: None }
    }

    fn finish(mut self) -> Result<Outcome, DecodeError> {
        match self.registers.remove(&Register::RAX) {
            Some(Value::Sum(sum)) => Ok(Outcome { sum, flag: self.flag_address }),
            _ => Err(DecodeError::Form { sum: "nothing known".to_owned() }),
        }
    }

    /// Runs one instruction; `None` if it is not understood.
    fn step(&mut self, instruction: &Instruction) -> Option<()> {
        if is_frame(instruction) {
            return Some(());
        }
        let carry = self.carry;
        if !matches!(instruction.mnemonic(), Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Lea) {
            self.carry = None;
        }
        let value = match instruction.mnemonic() {
            Mnemonic::Cmp => return self.compare(instruction),
            Mnemonic::Mov | Mnemonic::Movzx => self.operand(instruction, 1)?,
            Mnemonic::Lea => self.address(instruction)?,
            Mnemonic::Add => self.added(instruction, 1, 0)?,
            Mnemonic::Sub => self.added(instruction, -1, 0)?,
            Mnemonic::Adc => self.added(instruction, 1, i64::from(carry?))?,
            Mnemonic::Xor => self.xored(instruction)?,
            Mnemonic::Imul => self.multiplied(instruction)?,
            Mnemonic::Shl => self.shifted(instruction)?,
            _ => return None,
        };
        self.set(instruction.op0_register(), value)
    }

    /// `cmp flag, immediate`: the carry is what `adc` reads afterwards.
    fn compare(&mut self, instruction: &Instruction) -> Option<()> {
        let left = self.constant(instruction, 0)?;
        let right = self.constant(instruction, 1)?;
        // Unsigned; both are bytes.
        self.carry = Some(u64::try_from(left).ok()? < u64::try_from(right).ok()?);
        Some(())
    }

    fn added(&mut self, instruction: &Instruction, sign: i64, carry: i64) -> Option<Value> {
        let right = self.sum(instruction, 1)?.plus(&Sum::constant(carry), 1)?;
        match self.operand(instruction, 0)? {
            Value::Heap(offset) => Some(Value::Heap(offset.checked_add(right.as_constant()? * sign)?)),
            Value::Sum(left) => left.plus(&right, sign).map(Value::Sum),
        }
    }

    fn xored(&mut self, instruction: &Instruction) -> Option<Value> {
        let zeroes = instruction.op0_register() == instruction.op1_register()
            && instruction.op1_kind() == OpKind::Register;
        let value =
            if zeroes { 0 } else { self.constant(instruction, 0)? ^ self.constant(instruction, 1)? };
        Some(Value::Sum(Sum::constant(value)))
    }

    fn multiplied(&mut self, instruction: &Instruction) -> Option<Value> {
        let (a, b) = match instruction.op_count() {
            2 => (self.sum(instruction, 0)?, self.sum(instruction, 1)?),
            3 => (self.sum(instruction, 1)?, self.sum(instruction, 2)?),
            _ => return None,
        };
        match (a.as_constant(), b.as_constant()) {
            (Some(factor), _) => b.times(factor),
            (_, Some(factor)) => a.times(factor),
            _ => None,
        }
        .map(Value::Sum)
    }

    fn shifted(&mut self, instruction: &Instruction) -> Option<Value> {
        let bits = self.constant(instruction, 1)?;
        let factor = (0..8).contains(&bits).then(|| 1 << bits)?;
        self.sum(instruction, 0)?.times(factor).map(Value::Sum)
    }

    /// `lea`: registers and scale, no memory access.
    fn address(&mut self, instruction: &Instruction) -> Option<Value> {
        if instruction.is_ip_rel_memory_operand() || instruction.segment_prefix() != Register::None {
            return None;
        }
        let displacement = displacement(instruction);
        let index = match instruction.memory_index() {
            Register::None => Sum::default(),
            register => self.register_sum(register)?.times(i64::from(instruction.memory_index_scale()))?,
        };
        let rest = index.plus(&Sum::constant(displacement), 1)?;
        match instruction.memory_base() {
            Register::None => Some(Value::Sum(rest)),
            base => match self.get(base)? {
                Value::Heap(offset) => Some(Value::Heap(offset.checked_add(rest.as_constant()?)?)),
                Value::Sum(sum) => sum.plus(&rest, 1).map(Value::Sum),
            },
        }
    }

    fn constant(&mut self, instruction: &Instruction, index: u32) -> Option<i64> {
        self.sum(instruction, index)?.as_constant()
    }

    fn sum(&mut self, instruction: &Instruction, index: u32) -> Option<Sum> {
        match self.operand(instruction, index)? {
            Value::Sum(sum) => Some(sum),
            Value::Heap(_) => None,
        }
    }

    fn operand(&mut self, instruction: &Instruction, index: u32) -> Option<Value> {
        match instruction.op_kind(index) {
            OpKind::Register => self.get(instruction.op_register(index)),
            OpKind::Memory => self.load(instruction),
            _ => {
                let immediate = instruction.try_immediate(index).ok()?;
                Some(Value::Sum(Sum::constant(immediate.cast_signed())))
            }
        }
    }

    /// A word of the heap, a word of an object that the heap points at, or the flag byte.
    fn load(&mut self, instruction: &Instruction) -> Option<Value> {
        let size = instruction.memory_size().size();
        if instruction.is_ip_rel_memory_operand() {
            return (size == 1).then(|| self.flag_byte(instruction.ip_rel_memory_address()))?;
        }
        if size != 8 || instruction.memory_index() != Register::None {
            return None;
        }
        let displacement = displacement(instruction);
        let place = match self.get(instruction.memory_base())? {
            Value::Heap(offset) => Place::At(u32::try_from(offset.checked_add(displacement)?).ok()?),
            Value::Sum(sum) => match sum.as_word()? {
                Place::At(pointer) => Place::Behind(pointer, u32::try_from(displacement).ok()?),
                Place::Behind(..) => return None,
            },
        };
        Some(Value::Sum(Sum::word(place)))
    }

    /// There may be only one flag.
    fn flag_byte(&mut self, address: u64) -> Option<Value> {
        let known = *self.flag_address.get_or_insert(address);
        (known == address).then(|| Value::Sum(Sum::constant(i64::from(self.flag))))
    }

    fn register_sum(&self, register: Register) -> Option<Sum> {
        match self.get(register)? {
            Value::Sum(sum) => Some(sum),
            Value::Heap(_) => None,
        }
    }

    /// A narrow register is read only where its whole holds a small constant, so that its width makes no difference.
    fn get(&self, register: Register) -> Option<Value> {
        let value = self.registers.get(&register.full_register())?.clone();
        if register.size() == 8 {
            return Some(value);
        }
        matches!(&value, Value::Sum(sum) if sum.as_constant().is_some_and(|c| (0..=0x7f).contains(&c)))
            .then_some(value)
    }

    /// A narrow register is written only with a small constant. Writing 32 bits clears the rest; writing 8 is understood
    /// only over a small constant, whose upper bits are zero already.
    fn set(&mut self, register: Register, value: Value) -> Option<()> {
        let is_small =
            matches!(&value, Value::Sum(sum) if sum.as_constant().is_some_and(|c| (0..=0x7f).contains(&c)));
        let fits = match register.size() {
            8 => true,
            4 => is_small,
            1 => is_small && self.get(register).is_some(),
            _ => false,
        };
        fits.then(|| self.registers.insert(register.full_register(), value))?;
        Some(())
    }
}

/// What sets up or takes down a frame, and padding: without effect on the result.
fn is_frame(instruction: &Instruction) -> bool {
    let is_rbp = |register: Register| register == Register::RBP;
    match instruction.mnemonic() {
        Mnemonic::Endbr64 | Mnemonic::Nop => true,
        Mnemonic::Push | Mnemonic::Pop => is_rbp(instruction.op0_register()),
        Mnemonic::Mov => {
            matches!(instruction.code(), Code::Mov_r64_rm64 | Code::Mov_rm64_r64)
                && is_rbp(instruction.op0_register())
                && instruction.op1_register() == Register::RSP
        }
        _ => false,
    }
}

//! A machine that runs x86-64 code along every path and forgets what it does not understand.
//!
//! It follows addresses within the object that a function is called for (its first argument) and within the one that it
//! fills in (its second), and what is loaded from the first. A call to a function that has no branches is run as well.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};

use crate::v8::{
    code::{displacement, written},
    sum::{Place, Sum},
};

/// Reads code at an address as linked: what it begins with, as far as there is any.
pub(super) type ReadCode<'a> = &'a dyn Fn(u64) -> Option<Vec<u8>>;

/// Functions that are called by those that are called: `Heap::backing_store_bytes` of Node 26 calls one.
const MAX_DEPTH: u32 = 2;
/// Instructions on all paths of one function. `GetHeapStatistics` has about 100, and up to 6 branches.
const MAX_STEPS: u32 = 20_000;

/// What a register holds, as far as that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// The address of the object that the function is called for, plus an offset.
    Object(i64),
    /// The address of the object that the function fills in, plus an offset.
    Filled(i64),
    /// A number made of words of the first object.
    Sum(Sum),
}

/// A function's code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function<'a> {
    /// Its bytes.
    pub(super) code: &'a [u8],
    /// Where it is linked.
    pub(super) address: u64,
}

/// What all paths of a function came to.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// What each path returns; `None` if that is not known, or it leaves the code otherwise.
    pub(super) returned: Vec<Option<Value>>,
    /// What was stored at the watched offset of the object that is filled in; `None` if that is not known.
    pub(super) stored: Vec<Option<Value>>,
    /// Offsets of the parts of the object for which other functions were called.
    pub(super) called_for: BTreeSet<i64>,
}

/// Runs `function` along every path, watching the word at offset `watched` of what it fills in. `None` if it does not
/// come to an end.
pub(super) fn run(function: Function<'_>, watched: i64, read: ReadCode<'_>) -> Option<Run> {
    Runner::new(function, watched, read, 0).run(Value::Object(0))
}

struct Runner<'a> {
    function: Function<'a>,
    watched: i64,
    read: ReadCode<'a>,
    depth: u32,
    steps: u32,
    run: Run,
}

impl<'a> Runner<'a> {
    fn new(function: Function<'a>, watched: i64, read: ReadCode<'a>, depth: u32) -> Self {
        Self { function, watched, read, depth, steps: 0, run: Run::default() }
    }

    fn run(mut self, this: Value) -> Option<Run> {
        let mut arguments = BTreeMap::from([(Register::RDI, this)]);
        if self.depth == 0 {
            arguments.insert(Register::RSI, Value::Filled(0));
        }
        let mut paths = vec![(self.function.address, State { registers: arguments })];
        while let Some((at, state)) = paths.pop() {
            let returned = self.path(at, state, &mut paths);
            self.run.returned.push(returned);
        }
        (self.steps <= MAX_STEPS).then_some(self.run)
    }

    /// Runs one path to its end, and leaves the others that it meets in `paths`. A function that is called has only one.
    fn path(&mut self, mut at: u64, mut state: State, paths: &mut Vec<(u64, State)>) -> Option<Value> {
        loop {
            self.steps += 1;
            let instruction = self.function.instruction(at).filter(|_| self.steps <= MAX_STEPS)?;
            at = instruction.next_ip();
            match instruction.flow_control() {
                FlowControl::Next => self.step(&instruction, &mut state),
                FlowControl::Call | FlowControl::IndirectCall => self.call(&instruction, &mut state),
                FlowControl::UnconditionalBranch => at = instruction.near_branch_target(),
                FlowControl::ConditionalBranch if self.depth == 0 => {
                    paths.push((instruction.near_branch_target(), state.clone()));
                }
                FlowControl::Return => return state.get(Register::RAX),
                _ => return None,
            }
        }
    }

    /// What is stored at the watched offset is noted; the rest is the state's.
    fn step(&mut self, instruction: &Instruction, state: &mut State) {
        if instruction.op0_kind() == OpKind::Memory && self.is_watched(instruction, state) {
            let is_whole = instruction.mnemonic() == Mnemonic::Mov && instruction.memory_size().size() == 8;
            let stored = if is_whole { state.operand(instruction, 1) } else { None };
            self.run.stored.push(stored);
        }
        state.step(instruction);
    }

    /// Whether the instruction's memory overlaps the watched word.
    fn is_watched(&self, instruction: &Instruction, state: &State) -> bool {
        let size = i64::try_from(instruction.memory_size().size()).unwrap_or(i64::MAX);
        match state.memory(instruction) {
            Some(Value::Filled(offset)) => {
                offset < self.watched + 8 && offset.saturating_add(size) > self.watched
            }
            _ => false,
        }
    }

    fn call(&mut self, instruction: &Instruction, state: &mut State) {
        let this = state.get(Register::RDI);
        state.forget_volatile();
        if instruction.op0_kind() != OpKind::NearBranch64 {
            return;
        }
        if let Some(Value::Object(offset @ 1..)) = this {
            self.run.called_for.insert(offset);
        }
        if let Some(value) = this.and_then(|this| self.result(instruction.near_branch_target(), this)) {
            state.registers.insert(Register::RAX, value);
        }
    }

    /// What the function at `address` returns when it is called for `this`.
    fn result(&self, address: u64, this: Value) -> Option<Value> {
        let depth = Some(self.depth + 1).filter(|depth| *depth <= MAX_DEPTH)?;
        let code = (self.read)(address)?;
        let function = Function { code: &code, address };
        Runner::new(function, self.watched, self.read, depth).run(this)?.only_result()
    }
}

impl Run {
    /// What is returned, if there is one path and it is known.
    pub(super) fn only_result(mut self) -> Option<Value> {
        if self.returned.len() == 1 { self.returned.remove(0) } else { None }
    }
}

impl Function<'_> {
    fn instruction(&self, address: u64) -> Option<Instruction> {
        let start = usize::try_from(address.checked_sub(self.address)?).ok()?;
        let code = self.code.get(start..).filter(|code| !code.is_empty())?;
        let instruction = Decoder::with_ip(64, code, address, DecoderOptions::NONE).decode();
        (!instruction.is_invalid()).then_some(instruction)
    }
}

/// The registers of which something is known, by their 64-bit names.
#[derive(Clone, Debug)]
struct State {
    registers: BTreeMap<Register, Value>,
}

impl State {
    fn get(&self, register: Register) -> Option<Value> {
        self.registers.get(&register).cloned()
    }

    /// What a call may change: all registers but those that the System V ABI has the callee preserve.
    fn forget_volatile(&mut self) {
        let preserved = [Register::RBX, Register::R12, Register::R13, Register::R14, Register::R15];
        self.registers.retain(|register, _| preserved.contains(register));
    }

    fn step(&mut self, instruction: &Instruction) {
        let value = match instruction.mnemonic() {
            Mnemonic::Mov => self.operand(instruction, 1),
            Mnemonic::Lea => self.memory(instruction),
            Mnemonic::Add => self.added(instruction, 1),
            Mnemonic::Sub => self.added(instruction, -1),
            _ => None,
        };
        for register in written(instruction) {
            self.registers.remove(&register);
        }
        let target = instruction.op0_register();
        if let Some(value) =
            value.filter(|_| instruction.op0_kind() == OpKind::Register && target.size() == 8)
        {
            self.registers.insert(target, value);
        }
    }

    fn operand(&self, instruction: &Instruction, index: u32) -> Option<Value> {
        match instruction.op_kind(index) {
            OpKind::Register => self.get(instruction.op_register(index)),
            OpKind::Memory => self.load(instruction),
            _ => {
                let immediate = instruction.try_immediate(index).ok()?;
                Some(Value::Sum(Sum::constant(immediate.cast_signed())))
            }
        }
    }

    fn added(&self, instruction: &Instruction, sign: i64) -> Option<Value> {
        let Value::Sum(right) = self.operand(instruction, 1)? else { return None };
        match self.operand(instruction, 0)? {
            Value::Object(offset) => Some(Value::Object(offset.checked_add(right.as_constant()? * sign)?)),
            Value::Filled(_) => None,
            Value::Sum(left) => left.plus(&right, sign).map(Value::Sum),
        }
    }

    /// The address of the instruction's memory operand, if it is one of an object's.
    fn memory(&self, instruction: &Instruction) -> Option<Value> {
        let is_plain = instruction.memory_index() == Register::None
            && instruction.segment_prefix() == Register::None
            && !instruction.is_ip_rel_memory_operand();
        let displacement = displacement(instruction);
        match self.get(instruction.memory_base()).filter(|_| is_plain)? {
            Value::Object(offset) => Some(Value::Object(offset.checked_add(displacement)?)),
            Value::Filled(offset) => Some(Value::Filled(offset.checked_add(displacement)?)),
            Value::Sum(sum) => sum.plus(&Sum::constant(displacement), 1).map(Value::Sum),
        }
    }

    /// A word of the object, or of an object that it points at.
    fn load(&self, instruction: &Instruction) -> Option<Value> {
        if instruction.memory_size().size() != 8 {
            return None;
        }
        let place = match self.memory(instruction)? {
            Value::Object(offset) => Place::At(u32::try_from(offset).ok()?),
            Value::Filled(_) => return None,
            Value::Sum(sum) => sum.as_place_behind()?,
        };
        Some(Value::Sum(Sum::word(place)))
    }
}

//! Code of Maglev and TurboFan, read as instructions: enough to tell to which place of a function a call belongs that V8
//! moved out of it.
//!
//! What is rarely needed (an allocation whose area is used up) is compiled after the function's own code: a conditional
//! jump leads there, a jump leads back right behind. V8's table of positions has no entries for it.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, OpKind, Register};
use memwatch_common::stack::mix;

/// How far behind a conditional jump its slow path comes back: V8's longest fast paths have some hundred bytes.
const FAST_PATH: u32 = 1024;
/// Slow paths of slow paths: two levels were seen.
const LEVELS: u32 = 4;

/// Code, instruction by instruction. Offsets count from its first byte.
#[derive(Debug)]
pub(super) struct Code(Vec<Step>);

/// One instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Where it begins.
    pub(super) at: u32,
    /// What it does, whatever registers it uses and wherever it jumps to: equal for two copies of one piece of code.
    pub(super) what: u64,
    flow: Flow,
}

/// Where it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Jump(u32),
    Branch(u32),
    Nowhere,
}

/// A loop: from where it is entered anew to the jump that does so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loop {
    /// Its first instruction.
    pub(super) head: u32,
    /// The jump back.
    pub(super) jump: u32,
}

impl Code {
    /// Reads `code`.
    pub(super) fn new(code: &[u8]) -> Self {
        Self(Decoder::with_ip(64, code, 0, DecoderOptions::NONE).iter().map(|one| Step::new(&one)).collect())
    }

    /// The place in the function's own code of what is at `offset`: where its slow path, if it is in one, is entered.
    pub(super) fn main_place(&self, offset: u32) -> u32 {
        let here = self.0.partition_point(|step| step.at <= offset).checked_sub(1);
        let mut offset = here.map_or(offset, |here| self.0[here].at);
        for _ in 0..LEVELS {
            match self.entered_from(offset) {
                Some(branch) => offset = branch,
                None => break,
            }
        }
        offset
    }

    /// The conditional jump to the slow path that `offset` is in.
    fn entered_from(&self, offset: u32) -> Option<u32> {
        let here = self.0.partition_point(|step| step.at <= offset).checked_sub(1)?;
        let ends = |step: &Step| matches!(step.flow, Flow::Jump(_) | Flow::Nowhere);
        let end = self.0[here..].iter().find(|step| ends(step))?;
        let Flow::Jump(back) = end.flow else { return None };
        let begin = self.0[..here].iter().rposition(ends).map_or(0, |before| before + 1);
        let (begin, here) = (self.0[begin].at, self.0[here].at);
        let enters = |step: &&Step| match step.flow {
            Flow::Branch(to) => {
                (begin..=here).contains(&to)
                    && (step.at + 1..begin.min(step.at + FAST_PATH)).contains(&back)
            }
            _ => false,
        };
        let last = |step: &&Step| if let Flow::Branch(to) = step.flow { to } else { 0 };
        self.0.iter().filter(enters).max_by_key(last).map(|step| step.at)
    }

    /// The loops around `offset`, the innermost first.
    pub(super) fn loops(&self, offset: u32) -> Vec<Loop> {
        let back = |step: &Step| match step.flow {
            Flow::Jump(head) | Flow::Branch(head) if head <= offset && offset <= step.at => {
                Some(Loop { head, jump: step.at })
            }
            _ => None,
        };
        let is_one = |one: &Loop| self.main_place(one.jump) == one.jump;
        let mut loops: Vec<_> = self.0.iter().filter_map(back).filter(is_one).collect();
        loops.sort_by_key(|one| one.jump - one.head);
        loops
    }

    /// The instructions from `from` to before `to`.
    pub(super) fn steps(&self, from: u32, to: u32) -> &[Step] {
        let place = |offset| self.0.partition_point(|step| step.at < offset);
        self.0.get(place(from)..place(to)).unwrap_or_default()
    }
}

impl Step {
    fn new(instruction: &Instruction) -> Self {
        let target = || u32::try_from(instruction.near_branch_target()).unwrap_or(u32::MAX);
        let is_near = instruction.op_count() > 0 && instruction.op0_kind() == OpKind::NearBranch64;
        let flow = match instruction.flow_control() {
            FlowControl::UnconditionalBranch if is_near => Flow::Jump(target()),
            FlowControl::ConditionalBranch if is_near => Flow::Branch(target()),
            FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::Return
            | FlowControl::Interrupt
            | FlowControl::Exception => Flow::Nowhere,
            _ => Flow::Next,
        };
        Self { at: u32::try_from(instruction.ip()).unwrap_or(u32::MAX), what: what(instruction), flow }
    }
}

/// Operation, constants, and offsets in objects. Places on the stack and distances of jumps differ between copies.
fn what(instruction: &Instruction) -> u64 {
    let mut hash = mix(0, instruction.code() as u64);
    for operand in 0..instruction.op_count() {
        hash = mix(
            hash,
            match instruction.op_kind(operand) {
                OpKind::Memory if matches!(instruction.memory_base(), Register::RBP | Register::RSP) => 0,
                OpKind::Memory => instruction.memory_displacement64(),
                OpKind::Register | OpKind::NearBranch64 => 0,
                _ => instruction.immediate(operand),
            },
        );
    }
    hash
}

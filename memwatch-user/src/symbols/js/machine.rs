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
pub(super) struct Code {
    steps: Vec<Step>,
    is_maglev: bool,
}

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
    /// Reads `code`, which is Maglev's or TurboFan's.
    pub(super) fn new(code: &[u8], is_maglev: bool) -> Self {
        let decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
        Self { steps: decoder.into_iter().map(|one| Step::new(&one)).collect(), is_maglev }
    }

    /// The place in the function's own code of what is at `offset`: where its slow path, if it is in one, is entered.
    pub(super) fn main_place(&self, offset: u32) -> u32 {
        let here = self.steps.partition_point(|step| step.at <= offset).checked_sub(1);
        let mut offset = here.map_or(offset, |here| self.steps[here].at);
        for _ in 0..LEVELS {
            match self.entered_from(offset) {
                Some(branch) => offset = branch,
                None => break,
            }
        }
        offset
    }

    /// Whether Maglev made it.
    pub(super) fn is_maglev(&self) -> bool {
        self.is_maglev
    }

    /// Whether `offset` is in a slow path.
    pub(super) fn is_slow_path(&self, offset: u32) -> bool {
        self.entered_from(offset).is_some()
    }

    /// The conditional jump to the slow path that `offset` is in.
    fn entered_from(&self, offset: u32) -> Option<u32> {
        let here = self.steps.partition_point(|step| step.at <= offset).checked_sub(1)?;
        let ends = |step: &Step| matches!(step.flow, Flow::Jump(_) | Flow::Nowhere);
        let end = self.steps[here..].iter().find(|step| ends(step))?;
        let Flow::Jump(back) = end.flow else { return None };
        let begin = self.steps[..here].iter().rposition(ends).map_or(0, |before| before + 1);
        let (begin, here) = (self.steps[begin].at, self.steps[here].at);
        let enters = |step: &&Step| match step.flow {
            Flow::Branch(to) => {
                (begin..=here).contains(&to) && (step.at + 1..begin.min(step.at + FAST_PATH)).contains(&back)
            }
            _ => false,
        };
        let last = |step: &&Step| if let Flow::Branch(to) = step.flow { to } else { 0 };
        self.steps.iter().filter(enters).max_by_key(last).map(|step| step.at)
    }

    /// The loops around `offset` whose first round may have been compiled apart in a way that counts: Maglev's. The
    /// innermost first.
    pub(super) fn peeled_loops(&self, offset: u32) -> Vec<Loop> {
        let back = |step: &Step| match step.flow {
            Flow::Jump(head) | Flow::Branch(head) if head <= offset && offset <= step.at => {
                Some(Loop { head, jump: step.at })
            }
            _ => None,
        };
        let is_one = |one: &Loop| self.main_place(one.jump) == one.jump;
        if !self.is_maglev {
            return Vec::new();
        }
        let mut loops: Vec<_> = self.steps.iter().filter_map(back).filter(is_one).collect();
        loops.sort_by_key(|one| one.jump - one.head);
        loops
    }

    /// The instructions from `from` to before `to`.
    pub(super) fn steps(&self, from: u32, to: u32) -> &[Step] {
        let place = |offset| self.steps.partition_point(|step| step.at < offset);
        self.steps.get(place(from)..place(to)).unwrap_or_default()
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
                _ => instruction.try_immediate(operand).unwrap_or_default(),
            },
        );
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0: nop; 1: jae 20; 7: nop; 8: jmp 0; 13: ret; then, from 20 on: push rax; call; pop rax; jmp 7.
    const LOOP: [u8; 32] = [
        0x90, 0x0f, 0x83, 13, 0, 0, 0, 0x90, 0xe9, 0xf3, 0xff, 0xff, 0xff, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc,
        0xcc, 0xcc, 0x50, 0xe8, 0, 0, 0, 0, 0x58, 0xe9, 0xe7, 0xff, 0xff, 0xff,
    ];

    #[test]
    fn a_slow_path_belongs_where_it_is_entered_from() {
        let code = Code::new(&LOOP, true);
        for (offset, place) in [(25, 1), (20, 1), (3, 1), (7, 7), (12, 8), (13, 13)] {
            assert_eq!(code.main_place(offset), place, "{offset}");
        }
        // 0: jae 9; 6: nop; 7: jmp 10; 9: nop; 10: ret: the other branch comes back to no place before it.
        let branches = [0x0f, 0x83, 3, 0, 0, 0, 0x90, 0xeb, 1, 0x90, 0xc3];
        assert_eq!(Code::new(&branches, true).main_place(9), 9);
        assert_eq!(Code::new(&[], true).main_place(5), 5);
    }

    #[test]
    fn loops_are_jumps_back_but_not_from_slow_paths() {
        let code = Code::new(&LOOP, true);
        assert_eq!(code.peeled_loops(7), [Loop { head: 0, jump: 8 }]);
        assert_eq!(code.peeled_loops(13), []);
        assert_eq!(Code::new(&LOOP, false).peeled_loops(7), []);
    }

    #[test]
    fn copies_differ_in_registers_and_places_on_the_stack_only() {
        let what = |code: &[u8]| Code::new(code, true).steps(0, 99).first().map(|step| step.what);
        // mov eax,1; mov ebx,1; mov eax,2; mov rax,[rbp-8]; mov rax,[rbp-16]; mov rax,[rcx+8]; mov rax,[rcx+16]
        assert_eq!(what(&[0xb8, 1, 0, 0, 0]), what(&[0xbb, 1, 0, 0, 0]));
        assert_ne!(what(&[0xb8, 1, 0, 0, 0]), what(&[0xb8, 2, 0, 0, 0]));
        assert_eq!(what(&[0x48, 0x8b, 0x45, 0xf8]), what(&[0x48, 0x8b, 0x45, 0xf0]));
        assert_ne!(what(&[0x48, 0x8b, 0x41, 8]), what(&[0x48, 0x8b, 0x41, 16]));
    }

    #[test]
    fn any_bytes_are_read() {
        let mut random = 1_u64;
        let words = (0..25_000).map(|_| {
            random = mix(random, 1);
            random.to_le_bytes()
        });
        let bytes = words.flatten().collect::<Vec<u8>>();
        let code = Code::new(&bytes, true);
        assert!(code.main_place(100_000) <= 200_000);
        // movs, scas, in, out, enter: operands that are no register, memory or constant.
        assert_eq!(Code::new(&[0xa5, 0xaf, 0x6d, 0x6e, 0xc8, 1, 0, 1], true).steps(0, 99).len(), 5);
    }
}

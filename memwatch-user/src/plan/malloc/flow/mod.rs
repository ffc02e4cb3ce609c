//! All ways through a function, by its instructions: for allocators without a pattern to look for.
//!
//! From them follows what a probe inside needs, and for files that have no tables for unwinding: where the caller's frame
//! begins, in which registers an argument still is ([`state`]), and whether a place is passed with the result on every way
//! that has one ([`result`]).

mod registers;
mod result;
mod state;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, Register};

pub use self::state::Frame;
use self::{registers::Registers, state::State};
use crate::target::elf::{Elf, Machine};

/// The longest instruction of x86-64.
const LONGEST: usize = 15;
/// Instructions of a function that are looked at: `malloc` of musl 1.2.5 has 350, with what is inlined into it.
const MOST: usize = 4000;
/// Instructions of a callee that are looked at to see which registers it leaves alone.
const MOST_OF_CALLEE: usize = 100;

/// Where instructions are read from.
pub(super) trait Code {
    /// The instruction at an address as linked.
    fn instruction(&self, at: u64) -> Option<Instruction>;
}

impl Code for Elf {
    fn instruction(&self, at: u64) -> Option<Instruction> {
        let mut bytes = [0; LONGEST];
        let offset = self.code_offset(at).filter(|_| self.machine == Machine::X86_64)?;
        self.read(offset, &mut bytes).ok()?;
        Some(decoded(&bytes, at)).filter(|instruction| !instruction.is_invalid())
    }
}

fn decoded(bytes: &[u8], at: u64) -> Instruction {
    Decoder::with_ip(64, bytes, at, DecoderOptions::NONE).decode()
}

/// A function's instructions, by their addresses as linked.
pub(super) struct Flow {
    nodes: BTreeMap<u64, Node>,
    entry: u64,
}

/// An instruction.
struct Node {
    instruction: Instruction,
    /// Addresses of those that may come next: none behind a return or a crash.
    next: Vec<u64>,
    /// What is something else afterwards.
    written: Registers,
}

/// A place that a function passes once for every block that it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The instruction, which the kernel emulates.
    pub(super) instruction: Instruction,
    /// Where the caller's frame is.
    pub(super) frame: Frame,
    /// The register that has the block's address.
    pub(super) result: Register,
    /// A register that has the argument asked for.
    pub(super) argument: Register,
}

impl Flow {
    /// Of the function at `address`; `None` if not all of its ways can be followed.
    pub(super) fn of(code: &impl Code, address: u64) -> Option<Self> {
        let mut flow = Self::explore(code, address, MOST)?;
        // Compilers know what their own small functions leave alone (`-fipa-ra`), and rely on it.
        for node in flow.nodes.values_mut().filter(|node| is_call(&node.instruction)) {
            let callee = Self::explore(code, node.instruction.near_branch_target(), MOST_OF_CALLEE);
            node.written = node.written.common(callee.map_or(Registers::ALL, |callee| callee.written()));
        }
        Some(flow)
    }

    fn explore(code: &impl Code, entry: u64, most: usize) -> Option<Self> {
        let mut nodes = BTreeMap::new();
        let mut open = vec![entry];
        while let Some(at) = open.pop() {
            if nodes.contains_key(&at) {
                continue;
            }
            let instruction = code.instruction(at)?;
            let next = next(&instruction)?;
            open.extend(&next);
            nodes.insert(at, Node { instruction, next, written: Registers::written_by(&instruction) });
            if nodes.len() > most {
                return None;
            }
        }
        Some(Self { nodes, entry })
    }

    /// All that is written on any way.
    fn written(&self) -> Registers {
        self.nodes.values().fold(Registers::NONE, |all, node| all.and(node.written))
    }

    /// The state before each instruction that can be reached; `None` where it differs by the way.
    fn states(&self) -> Option<BTreeMap<u64, State>> {
        let mut states = BTreeMap::from([(self.entry, State::ENTRY)]);
        let mut open = VecDeque::from([self.entry]);
        while let Some(at) = open.pop_front() {
            let node = self.nodes.get(&at)?;
            if node.next.is_empty() {
                continue;
            }
            let after = states.get(&at)?.after(node)?;
            for next in &node.next {
                let known = states.get(next).copied();
                let both = known.map_or(Some(after), |known| known.meet(after))?;
                if known != Some(both) {
                    states.insert(*next, both);
                    open.push_back(*next);
                }
            }
        }
        Some(states)
    }

    /// Where a probe sees every block once, with what was asked for in the argument register `argument`.
    pub(super) fn place(&self, argument: Register) -> Option<Place> {
        let states = self.states()?;
        result::candidates(self).into_iter().find_map(|(instruction, result)| {
            let state = states.get(&instruction.ip())?;
            Some(Place { instruction, frame: state.frame()?, result, argument: state.holding(argument)? })
        })
    }

    /// What calls that may lead to `place` return to, with where the function's own caller is from there.
    pub(super) fn returns(&self, code: &impl Code, place: u64) -> Vec<(u64, Frame)> {
        let Some(states) = self.states() else { return Vec::new() };
        // What goes through a table of addresses (`malloc@plt`) may lead anywhere.
        let may_lead = |target: &u64| {
            Self::explore(code, *target, MOST).is_none_or(|callee| callee.nodes.contains_key(&place))
        };
        let calls = self.calls().filter(|(_, target)| may_lead(target));
        calls.filter_map(|(call, _)| Some((call.next_ip(), states.get(&call.next_ip())?.frame()?))).collect()
    }

    /// Where the function's own caller is, from each instruction of which that is known.
    pub(super) fn frames(&self) -> BTreeMap<u64, Frame> {
        let states = self.states().unwrap_or_default();
        states.into_iter().filter_map(|(at, state)| Some((at, state.frame()?))).collect()
    }

    /// Functions that are called, and those that these call: at most `most`.
    pub(super) fn callees(&self, code: &impl Code, most: usize) -> Vec<Self> {
        let mut seen = BTreeSet::from([self.entry]);
        let mut callees: Vec<Self> = Vec::new();
        let mut open: Vec<u64> = self.calls().map(|(_, target)| target).collect();
        while let Some(target) = open.pop().filter(|_| callees.len() < most) {
            if seen.insert(target)
                && let Some(callee) = Self::of(code, target)
            {
                open.extend(callee.calls().map(|(_, target)| target));
                callees.push(callee);
            }
        }
        callees
    }

    /// Calls of a function whose address is known.
    fn calls(&self) -> impl Iterator<Item = (&Instruction, u64)> {
        let instructions = self.nodes.values().map(|node| &node.instruction);
        let calls = instructions.filter(|instruction| instruction.code() == iced_x86::Code::Call_rel32_64);
        calls.map(|call| (call, call.near_branch_target()))
    }

    /// Whether any instruction reads so many bytes right before an address in a register.
    pub(super) fn reads_before(&self, distance: i64, bytes: usize) -> bool {
        self.nodes.values().any(|Node { instruction, .. }| {
            instruction.memory_base() != Register::None
                && instruction.memory_index() == Register::None
                && instruction.memory_displacement64().cast_signed() == -distance
                && instruction.memory_size().size() == bytes
        })
    }
}

fn is_call(instruction: &Instruction) -> bool {
    matches!(instruction.flow_control(), FlowControl::Call | FlowControl::IndirectCall)
}

/// Where it goes on from an instruction; `None` if that cannot be told.
fn next(instruction: &Instruction) -> Option<Vec<u64>> {
    if matches!(instruction.mnemonic(), Mnemonic::Hlt | Mnemonic::Ud2 | Mnemonic::Int3) {
        return Some(Vec::new());
    }
    let (behind, target) = (instruction.next_ip(), instruction.near_branch_target());
    Some(match instruction.flow_control() {
        FlowControl::Next | FlowControl::Call | FlowControl::IndirectCall => vec![behind],
        FlowControl::UnconditionalBranch => vec![target],
        FlowControl::ConditionalBranch => vec![behind, target],
        FlowControl::Return => Vec::new(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;

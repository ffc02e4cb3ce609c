//! Where a function has its result for good, and whether every way that has one goes there.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};

use super::{Flow, Node};
use crate::plan::placement::is_emulated;

/// What the function returns, seen from before an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Result {
    /// What is in this register by now.
    In(Register),
    /// Null: nothing was handed out.
    Null,
    /// Neither for sure.
    Unknown,
}

/// Instructions that the kernel emulates, that each call passes at most once, with its result in the register that is named,
/// and that none misses which hands out a block. In the order of addresses.
pub(super) fn candidates(flow: &Flow) -> Vec<(Instruction, Register)> {
    let results = results(flow);
    let emulated = flow.nodes.values().filter(|node| is_emulated(&node.instruction));
    let known = emulated.filter_map(|node| match results.get(&node.instruction.ip()) {
        Some(Result::In(register)) => Some((node, *register)),
        _ => None,
    });
    let every = known.filter(|(node, _)| {
        is_passed_once(flow, node) && is_missed_by_none(flow, &results, node.instruction.ip())
    });
    every.map(|(node, register)| (node.instruction, register)).collect()
}

/// The greatest solution: what is returned from before each instruction on. Instructions from which there is only a crash
/// are left out.
fn results(flow: &Flow) -> BTreeMap<u64, Result> {
    let mut results = BTreeMap::new();
    loop {
        let mut changed = false;
        for (at, node) in flow.nodes.iter().rev() {
            let result = before(node, &results);
            if result.is_some() && results.get(at).copied() != result {
                results.extend(result.map(|result| (*at, result)));
                changed = true;
            }
        }
        if !changed {
            return results;
        }
    }
}

fn before(node: &Node, results: &BTreeMap<u64, Result>) -> Option<Result> {
    let instruction = &node.instruction;
    if instruction.flow_control() == FlowControl::Return {
        return Some(Result::In(Register::RAX));
    }
    let ways = node.next.iter().filter_map(|next| results.get(next).copied());
    let after = ways.reduce(|one, other| if one == other { one } else { Result::Unknown })?;
    Some(match after {
        Result::In(register) if node.written.has(register) => source(instruction, register),
        after => after,
    })
}

/// Where an instruction that writes `to` has its value from: `xor eax,eax`, `mov eax,0`, `mov rax,rbx`.
fn source(instruction: &Instruction, to: Register) -> Result {
    let [written, from] = [instruction.op0_register(), instruction.op1_register()];
    let is_number = from == Register::None && instruction.op1_kind() != OpKind::Memory;
    match instruction.mnemonic() {
        _ if written.full_register() != to => Result::Unknown,
        Mnemonic::Xor if from == written => Result::Null,
        Mnemonic::Mov if is_number && instruction.immediate(1) == 0 => Result::Null,
        Mnemonic::Mov if written.is_gpr64() && from.is_gpr64() => Result::In(from),
        _ => Result::Unknown,
    }
}

fn is_passed_once(flow: &Flow, node: &Node) -> bool {
    let at = node.instruction.ip();
    !node.next.iter().any(|next| reachable(flow, *next, |_| false).contains(&at))
}

/// Whether each way around `place` returns null.
fn is_missed_by_none(flow: &Flow, results: &BTreeMap<u64, Result>, place: u64) -> bool {
    let ends = |at: u64| at == place || results.get(&at) == Some(&Result::Null);
    let around = reachable(flow, flow.entry, ends);
    let is_return = |at: &u64| {
        flow.nodes.get(at).is_some_and(|node| node.instruction.flow_control() == FlowControl::Return)
    };
    !around.iter().filter(|at| !ends(**at)).any(is_return)
}

/// What can be reached from `from`, going on from nowhere that `ends`.
fn reachable(flow: &Flow, from: u64, ends: impl Fn(u64) -> bool) -> BTreeSet<u64> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        if reached.insert(at) && !ends(at) {
            open.extend(flow.nodes.get(&at).into_iter().flat_map(|node| &node.next));
        }
    }
    reached
}

//! What threads have on their stacks and in their registers, and which isolate each runs.

use std::{collections::BTreeMap, fs, ops::Range};

use super::{
    Isolate, RootWords,
    copied::Page,
    mappings::{self, Mapping},
    roots::{self, Place},
};
use crate::heap::{
    graph::{IsolateId, RootKind},
    memory::Memory,
};

/// Bytes of a stack that are read: twice the usual limit.
const MAX_STACK: u64 = 16 << 20;

/// What a thread has in its registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registers {
    pub(super) thread: u32,
    pub(super) stack_pointer: u64,
    /// Where its own data begin, which both glibc and musl put right above the stack of every thread but the first.
    pub(super) thread_pointer: Option<u64>,
    pub(super) others: Vec<u64>,
}

/// The words of a thread's stack and registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stack {
    pub(super) thread: u32,
    pub(super) words: Vec<u64>,
}

/// Reads the stacks of threads.
pub(super) fn read(memory: &impl Memory, mappings: &[Mapping], registers: Vec<Registers>) -> Vec<Stack> {
    let of = |registers: Registers| {
        let stack = range(mappings, &registers)?;
        let mut words = registers.others;
        words.extend(roots::range(memory, stack));
        Some(Stack { thread: registers.thread, words })
    };
    registers.into_iter().take_while(|_| !memory.is_over()).filter_map(of).collect()
}

/// Where a stack is. Its mapping may go on behind it: the kernel joins what musl's allocator has there to it, in which V8
/// keeps references to dead objects, too (26 and 56 keys of a `WeakMap` were seen alive by them).
fn range(mappings: &[Mapping], registers: &Registers) -> Option<Range<u64>> {
    let start = registers.stack_pointer & !7;
    let end = mappings::at(mappings, start)?.range.end.min(start.saturating_add(MAX_STACK));
    let own = registers.thread_pointer.filter(|pointer| (start..end).contains(pointer));
    Some(start..own.unwrap_or(end) & !7)
}

/// The stack pointers of a process that runs, as far as its threads are in the kernel.
pub(super) fn running(pid: u32) -> Vec<Registers> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let threads = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let of = |thread| {
        let stack_pointer = pointer(pid, thread)?;
        Some(Registers { thread, stack_pointer, thread_pointer: None, others: Vec::new() })
    };
    threads.filter_map(of).collect()
}

/// `number arguments… pointer counter`, in hexadecimal but for the number; `running` of a thread that runs.
fn pointer(pid: u32, thread: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/syscall")).ok()?;
    let pointer = text.split_ascii_whitespace().rev().nth(1)?;
    u64::from_str_radix(pointer.strip_prefix("0x")?, 16).ok()
}

/// The isolates, each with the thread that has its address on the stack most often: V8 passes it to everything.
pub(super) fn pair(isolates: &[(Place, u64)], stacks: &[Stack], pages: &[Page]) -> Vec<Isolate> {
    let of = |(place, heap): &(Place, u64)| {
        let count = |stack: &Stack| stack.words.iter().filter(|word| **word == place.address).count();
        let counts = stacks.iter().map(|stack| (count(stack), stack.thread));
        let thread = counts.filter(|(count, _)| *count > 0).max().map(|(_, thread)| thread);
        let bytes = pages.iter().filter(|page| page.heap == *heap).map(Page::bytes).sum();
        Isolate { address: place.address, heap: *heap, bytes, thread }
    };
    isolates.iter().map(of).collect()
}

/// The words of stacks as roots, by isolate.
pub(super) fn roots(isolates: &[Isolate], stacks: Vec<Stack>) -> Vec<RootWords> {
    let mut groups: BTreeMap<Option<IsolateId>, Vec<u64>> = BTreeMap::new();
    for stack in stacks {
        let runs = isolates.iter().zip(0..).find(|(isolate, _)| isolate.thread == Some(stack.thread));
        let isolate = runs.map(|(_, number)| IsolateId(number));
        groups.entry(isolate).or_default().extend(stack.words);
    }
    let group = |(isolate, words)| RootWords { kind: RootKind::Stack, isolate, words };
    groups.into_iter().map(group).collect()
}

/// The same with the isolate of the main thread of `pid` first.
pub(super) fn main_first(
    pid: u32,
    isolates: Vec<Isolate>,
    mut roots: Vec<RootWords>,
) -> (Vec<Isolate>, Vec<RootWords>) {
    let mut numbered: Vec<(usize, Isolate)> = isolates.into_iter().enumerate().collect();
    numbered.sort_by_key(|(number, isolate)| (isolate.thread != Some(pid), *number));
    for isolate in roots.iter_mut().filter_map(|root| root.isolate.as_mut()) {
        let place = numbered.iter().position(|(old, _)| *old == usize::from(isolate.0));
        *isolate = IsolateId(place.and_then(|place| u16::try_from(place).ok()).unwrap_or(isolate.0));
    }
    roots.sort_by_key(|root| (root.kind == RootKind::Stack, root.isolate.is_none(), root.isolate));
    (numbered.into_iter().map(|(_, isolate)| isolate).collect(), roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 0x7f00_0000_0000;

    #[test]
    fn a_stack_ends_where_the_data_of_its_thread_begin() {
        let range_of = START..START + 0x2_0000;
        let mappings = [Mapping { range: range_of, readable: true, executable: false, is_break: false }];
        let found = |thread_pointer| {
            let stack_pointer = START + 0x1003;
            range(&mappings, &Registers { thread: 1, stack_pointer, thread_pointer, others: Vec::new() })
        };
        assert_eq!(found(Some(START + 0x8008)), Some(START + 0x1000..START + 0x8008));
        // The first thread's are elsewhere.
        for elsewhere in [None, Some(START + 0x800), Some(START + 0x3_0000)] {
            assert_eq!(found(elsewhere), Some(START + 0x1000..START + 0x2_0000));
        }
    }
}

//! Which mappings are stacks of threads: those that a stack pointer points into.

use std::{collections::BTreeSet, fs};

use super::{super::proc, smaps::Mapping};

/// What is known of a process's stacks. The kernel shows the stack pointer of a thread that waits, not of one that runs;
/// so stacks are remembered while their mappings exist.
#[derive(Debug, Default)]
pub(in super::super) struct Stacks {
    pointers: BTreeSet<u64>,
    /// Where the mappings begin, by the last reading: a guard page before them keeps that constant.
    known: BTreeSet<u64>,
    seen: BTreeSet<u64>,
}

impl Stacks {
    /// Asks the kernel for the stack pointers of all threads.
    pub(super) fn look(&mut self, pid: u32) {
        let tasks = fs::read_dir(proc::path(pid, "task")).into_iter().flatten().flatten();
        let pointer =
            |task: fs::DirEntry| stack_pointer(&fs::read_to_string(task.path().join("syscall")).ok()?);
        self.pointers = tasks.filter_map(pointer).collect();
    }

    /// Whether this mapping has a stack in it.
    pub(super) fn hold(&mut self, mapping: &Mapping) -> bool {
        let points = self.pointers.range(mapping.start..mapping.end).next().is_some();
        let holds = points || self.known.contains(&mapping.start);
        if holds {
            self.seen.insert(mapping.start);
        }
        holds
    }

    /// Forgets what was not seen again since [`Self::look`].
    pub(super) fn forget(&mut self) {
        self.known = std::mem::take(&mut self.seen);
    }
}

/// `/proc/PID/task/TID/syscall` ends in the stack pointer and the program counter, or is `running`.
fn stack_pointer(syscall: &str) -> Option<u64> {
    let pointer = syscall.split_ascii_whitespace().nth_back(1)?;
    u64::from_str_radix(pointer.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stack_pointers() {
        for (text, pointer) in [
            ("232 0x12 0x7ffd 0x400 0xffffffff 0x0 0x8 0x7ffd10 0x7f01\n", Some(0x7f_fd10)),
            ("-1 0x7ffd20 0x7f01\n", Some(0x7f_fd20)),
            ("running\n", None),
            ("1 2\n", None),
            ("0x11111111111111111 0x1", None),
            ("", None),
        ] {
            assert_eq!(stack_pointer(text), pointer, "{text:?}");
        }
    }

    #[test]
    fn a_stack_is_remembered_while_its_mapping_exists() {
        let mapping = |start| Mapping { start, end: start + 100, rss: 1, used_for: None };
        let mut stacks = Stacks { pointers: [150].into(), ..Stacks::default() };
        assert_eq!([100, 200].map(|start| stacks.hold(&mapping(start))), [true, false]);
        stacks.forget();
        stacks.pointers.clear();
        assert!(stacks.hold(&mapping(100)));
        stacks.forget();
        stacks.forget();
        assert!(!stacks.hold(&mapping(100)));
    }
}

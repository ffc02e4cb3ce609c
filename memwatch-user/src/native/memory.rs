//! A process's memory, read from outside: nothing is stopped, nothing is written.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt, time::Instant};

use crate::{host::own, sample::proc, target::file};

/// The memory of one process.
pub(super) struct Memory {
    pid: u32,
    file: File,
    heap: Vec<Range<u64>>,
    /// Until then it is not looked at the mappings again.
    rests: Option<Instant>,
}

/// How long it is not looked at the mappings again, as a multiple of the CPU time that took: of a process with a large heap that is
/// some milliseconds, and blocks are looked at several hundred times a second. 2 % of one CPU.
const REST: u32 = 50;

impl Memory {
    /// Of the process `pid`.
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, file: file::memory(pid)?, heap: Vec::new(), rests: None })
    }

    /// Fills `to` from `address`; `false` if nothing is mapped there.
    pub(super) fn read(&self, address: u64, to: &mut [u8]) -> bool {
        self.file.read_exact_at(to, address).is_ok()
    }

    /// The word at `address`.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let mut word = [0; 8];
        self.read(address, &mut word).then(|| u64::from_le_bytes(word))
    }

    /// Takes note of where an allocator's memory can be, unless that was just done.
    pub(super) fn look(&mut self) {
        if self.rests.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let before = own::thread_cpu();
        self.heap = ranges(self.pid, |permissions| permissions == "rw-p");
        self.rests = Some(Instant::now() + own::thread_cpu().saturating_sub(before) * REST);
    }

    /// Whether an allocator's memory can be at `address`, as of the last look.
    pub(super) fn is_heap(&self, address: u64) -> bool {
        let after = self.heap.partition_point(|range| range.end <= address);
        self.heap.get(after).is_some_and(|range| range.contains(&address))
    }

    /// Where the heap that `brk` makes ends, as of the last look at the mappings; `None` if there is none.
    pub(super) fn program_break(pid: u32) -> Option<u64> {
        let maps = proc::text(pid, "maps")?;
        let line = maps.lines().find(|line| line.ends_with("[heap]"))?;
        range(line).map(|range| range.end)
    }
}

/// Private memory of no file, whatever its protection, in the order of addresses; nothing if it cannot be read.
pub(super) fn private_ranges(pid: u32) -> Vec<Range<u64>> {
    ranges(pid, |permissions| permissions.ends_with('p'))
}

/// That of it which can be accessed.
pub(super) fn accessible_ranges(pid: u32) -> Vec<Range<u64>> {
    ranges(pid, |permissions| permissions.ends_with('p') && !permissions.starts_with("---"))
}

/// All mappings in the order of addresses, with what of each is in memory or swapped out, bytes. Takes the kernel longer than the
/// ranges alone, in proportion to what there is, and not to what is reserved.
pub(super) fn held_ranges(pid: u32) -> Vec<(Range<u64>, u64)> {
    held(&proc::text(pid, "smaps").unwrap_or_default())
}

fn held(smaps: &str) -> Vec<(Range<u64>, u64)> {
    let mut mappings: Vec<(Range<u64>, u64)> = Vec::new();
    for line in smaps.lines() {
        if let Some(range) = range(line) {
            mappings.push((range, 0));
        } else if let Some((_, held)) = mappings.last_mut() {
            *held += ["Rss", "Swap"].into_iter().filter_map(|key| proc::bytes(line, key)).sum::<u64>();
        }
    }
    mappings
}

fn ranges(pid: u32, is_wanted: impl Fn(&str) -> bool) -> Vec<Range<u64>> {
    anonymous_ranges(&proc::text(pid, "maps").unwrap_or_default(), is_wanted)
}

/// Memory of no file with such permissions: writable and private it is `brk`, arenas, blocks with a mapping of their own.
fn anonymous_ranges(maps: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<Range<u64>> {
    let is_anonymous = |line: &&str| {
        let mut fields = line.split_ascii_whitespace();
        let (permissions, inode) = (fields.nth(1), fields.nth(2));
        permissions.is_some_and(&is_wanted) && inode == Some("0")
    };
    maps.lines().filter(is_anonymous).filter_map(range).collect()
}

fn range(line: &str) -> Option<Range<u64>> {
    let (start, end) = line.split_ascii_whitespace().next()?.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    Some(hex(start)?..hex(end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_is_writable_memory_of_no_file() {
        let maps = "00400000-00401000 r-xp 00000000 fe:00 12    /bin/node\n\
            00600000-00700000 rw-p 00000000 00:00 0    [heap]\n\
            7f0000000000-7f0000001000 rw-p 00000000 00:00 0\n\
            7f0000001000-7f0000002000 rw-p 00001000 fe:00 12    /bin/node\n\
            7f0000002000-7f0000003000 ---p 00000000 00:00 0\n";
        let writable = [0x60_0000..0x70_0000, 0x7f00_0000_0000..0x7f00_0000_1000];
        assert_eq!(anonymous_ranges(maps, |permissions| permissions == "rw-p"), writable);
        let private = anonymous_ranges(maps, |permissions| permissions.ends_with('p'));
        assert_eq!((&private[..2], private.len()), (&writable[..], 3));
    }

    #[test]
    fn mappings_are_not_looked_at_again_and_again() {
        let mut memory = Memory::open(std::process::id()).unwrap();
        memory.look();
        let looked = std::mem::take(&mut memory.heap);
        assert!(!looked.is_empty() && memory.rests.is_some());
        memory.rests = memory.rests.map(|until| until + std::time::Duration::from_secs(60));
        memory.look();
        assert!(memory.heap.is_empty());
        memory.rests = None;
        memory.look();
        assert!(!memory.heap.is_empty());
    }

    #[test]
    fn what_mappings_hold() {
        let smaps = "1000-9000 rw-p 00000000 00:00 0 \nSize: 32 kB\nRss:   4 kB\nPss: 1 kB\nSwap:  8 kB\nSwapPss: 8 kB\n\
            VmFlags: rd wr\na000-c000 ---p 00000000 00:00 0 \nRss:   0 kB\nSwap:  0 kB\n";
        assert_eq!(held(smaps), [(0x1000..0x9000, 12 << 10), (0xa000..0xc000, 0)]);
        assert!(held_ranges(std::process::id()).iter().any(|(_, held)| *held > 0));
    }

    #[test]
    fn our_own_memory_can_be_read() {
        let mut memory = Memory::open(std::process::id()).unwrap();
        let word = Box::new(0x1234_5678_u64);
        let address = std::ptr::from_ref(&*word) as u64;
        memory.look();
        assert_eq!(memory.word(address), Some(0x1234_5678));
        assert!(memory.is_heap(address) && !memory.is_heap(8));
        assert_eq!(memory.word(8), None);
    }
}

//! Memory of a process that is of no file, by `/proc/PID/maps`.

use std::{fs, io, ops::Range};

/// A mapping of no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) range: Range<u64>,
    pub(super) readable: bool,
    pub(super) executable: bool,
    /// The program break's, where a single-threaded allocator keeps small and middling blocks.
    pub(super) is_break: bool,
}

/// Those of `pid`, in the order of addresses.
pub(super) fn of(pid: u32) -> io::Result<Vec<Mapping>> {
    Ok(parse(&fs::read(format!("/proc/{pid}/maps"))?))
}

fn parse(maps: &[u8]) -> Vec<Mapping> {
    maps.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

/// `start-end perms offset dev inode   name`: without a file the inode is 0.
fn parse_line(line: &[u8]) -> Option<Mapping> {
    let line = std::str::from_utf8(line).ok()?;
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let permissions = fields.next()?.as_bytes();
    fields.nth(2).filter(|inode| *inode == "0")?;
    let name = fields.next().unwrap_or_default();
    // The kernel's own, which cannot be read from outside.
    (!name.starts_with("[v")).then_some(())?;
    Some(Mapping {
        range: hex(start)?..hex(end)?,
        readable: *permissions.first()? == b'r',
        executable: *permissions.get(2)? == b'x',
        is_break: name == "[heap]",
    })
}

/// The parts of `range` that can be read.
pub(super) fn readable(mappings: &[Mapping], range: Range<u64>) -> Vec<Range<u64>> {
    let mut parts: Vec<Range<u64>> = Vec::new();
    let first = mappings.partition_point(|mapping| mapping.range.end <= range.start);
    for mapping in mappings[first..].iter().take_while(|mapping| mapping.range.start < range.end) {
        let part = mapping.range.start.max(range.start)..mapping.range.end.min(range.end);
        match parts.last_mut() {
            _ if !mapping.readable => {}
            Some(last) if last.end == part.start => last.end = part.end,
            _ => parts.push(part),
        }
    }
    parts
}

/// The mapping that `address` is in.
pub(super) fn at(mappings: &[Mapping], address: u64) -> Option<&Mapping> {
    let at = mappings.partition_point(|mapping| mapping.range.end <= address);
    mappings.get(at).filter(|mapping| mapping.range.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &[u8] = b"00400000-00745000 r--p 00001000 fe:00 1234    /opt/node\n\
        01000000-01040000 rw-p 00000000 00:00 0    [heap]\n\
        7f0000000000-7f0000001000 rw-p 00000000 00:00 0\n\
        7f0000001000-7f0000003000 r-xp 00000000 00:00 0\n\
        7f0000003000-7f0000004000 ---p 00000000 00:00 0\n\
        7f0000004000-7f0000005000 r--p 00000000 00:00 0  [anon:V8]\n\
        7ffc0000-7ffd0000 r--p 00000000 00:00 0     [vvar]\nnonsense\n";

    #[test]
    fn memory_of_no_file_is_kept() {
        let found = parse(MAPS);
        let shown: Vec<_> =
            found.iter().map(|it| (it.range.start, it.readable, it.executable, it.is_break)).collect();
        let expected = [
            (0x100_0000, true, false, true),
            (0x7f00_0000_0000, true, false, false),
            (0x7f00_0000_1000, true, true, false),
            (0x7f00_0000_3000, false, false, false),
            (0x7f00_0000_4000, true, false, false),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_can_be_read_is_cut_out() {
        let all = parse(MAPS);
        let base = 0x7f00_0000_0000;
        let parts = readable(&all, base + 0x800..base + 0x4800);
        assert_eq!(parts, [base + 0x800..base + 0x3000, base + 0x4000..base + 0x4800]);
        assert_eq!(readable(&all, 0..0x100_0000), []);
        assert!(at(&all, base + 0x1000).is_some_and(|it| it.executable));
        assert_eq!(at(&all, 5), None);
    }
}

//! /proc/PID/maps: which files a process has mapped, and where.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use super::text::printable;

/// A mapped part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Offset of `start` in the file.
    pub offset: u64,
    /// Inode of the file.
    pub inode: u64,
    /// The file as the process knows it, with ` (deleted)` behind it if it is gone from disk.
    pub path: PathBuf,
}

/// The kernel's mark behind the name of a file that is gone from disk.
const DELETED: &[u8] = b" (deleted)";

impl Mapping {
    /// Name of the file without its directory and without the mark of deletion.
    #[must_use]
    pub fn file_name(&self) -> &[u8] {
        without_mark(self.path.file_name().map(OsStrExt::as_bytes).unwrap_or_default())
    }

    /// Whether it is of the file that was shown as `path` when it was looked at; it may have been deleted since (an upgrade).
    #[must_use]
    pub fn is_of(&self, path: &str) -> bool {
        printable(without_mark(self.path.as_os_str().as_bytes())).as_bytes() == without_mark(path.as_bytes())
    }
}

fn without_mark(path: &[u8]) -> &[u8] {
    path.strip_suffix(DELETED).unwrap_or(path)
}

/// Mappings of files in `pid`, in the order of their addresses.
pub fn of(pid: u32) -> io::Result<Vec<Mapping>> {
    Ok(parse(&fs::read(format!("/proc/{pid}/maps"))?))
}

/// Lines that are not understood, and memory that is not of a file, are left out.
fn parse(maps: &[u8]) -> Vec<Mapping> {
    maps.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

/// `start-end perms offset dev inode   path`; the path may hold spaces.
fn parse_line(line: &[u8]) -> Option<Mapping> {
    let slash = line.iter().position(|byte| *byte == b'/')?;
    let head = std::str::from_utf8(&line[..slash]).ok()?;
    let mut fields = head.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let offset = hex(fields.nth(1)?)?;
    let inode = fields.nth(1)?.parse().ok().filter(|inode| *inode != 0)?;
    let path = PathBuf::from(OsString::from_vec(line[slash..].to_vec()));
    Some(Mapping { start: hex(start)?, end: hex(end)?, offset, inode, path })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A mapping of each file.
    pub(in crate::target) fn named(paths: &[&str]) -> Vec<Mapping> {
        let mapping = |path: &&str| Mapping { start: 0, end: 1, offset: 0, inode: 1, path: path.into() };
        paths.iter().map(mapping).collect()
    }

    #[test]
    fn files_are_kept_and_the_rest_is_not() {
        let text = b"00400000-00745000 r--p 00001000 fe:00 1234    /opt/my node/bin/node (deleted)\n\
            7f0000000000-7f0000001000 rw-p 00000000 00:00 0\n\
            7ffc0000-7ffd0000 rw-p 00000000 00:00 0     [stack]\n\
            7f1000-7f2000 rw-s 00000000 00:01 0    /dev/zero\n\
            7f0000002000-7f0000003000 r-xp 00892000 00:1c 99 /usr/lib/libnode.so.108\n\
            nonsense / x\n";
        let maps = <[Mapping; 2]>::try_from(parse(text)).unwrap();
        let shown: Vec<_> = maps.iter().map(|m| (m.start, m.offset, m.inode, m.file_name())).collect();
        assert_eq!(
            shown,
            [(0x40_0000, 0x1000, 1234, &b"node"[..]), (0x7f00_0000_2000, 0x89_2000, 99, b"libnode.so.108")]
        );
        for path in ["/opt/my node/bin/node", "/opt/my node/bin/node (deleted)"] {
            assert_eq!(maps.each_ref().map(|one| one.is_of(path)), [true, false]);
        }
    }
}

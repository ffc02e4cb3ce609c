//! /proc/PID/smaps: the mappings of a process, each with what is resident of it.

use std::{borrow::Cow, io::BufRead};

use super::{super::proc, Use};

/// A mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    /// First address.
    pub(super) start: u64,
    /// First address after it.
    pub(super) end: u64,
    /// Bytes that are resident.
    pub(super) rss: u64,
    /// What it is used for, as far as its line tells; `None` for memory of no name.
    pub(super) used_for: Option<Use>,
}

/// The mappings, one after another: the text of a large process has tens of megabytes.
pub(super) struct Mappings<R> {
    smaps: R,
    line: Vec<u8>,
}

impl<R: BufRead> Mappings<R> {
    pub(super) const fn new(smaps: R) -> Self {
        Self { smaps, line: Vec::new() }
    }

    /// The next line that matters: of more than twenty for a mapping, two do.
    fn next_line(&mut self) -> Option<Cow<'_, str>> {
        loop {
            self.line.clear();
            self.smaps.read_until(b'\n', &mut self.line).ok().filter(|length| *length > 0)?;
            if matches!(self.line.as_slice(), [b'0'..=b'9' | b'a'..=b'f', ..] | [b'R', b's', b's', b':', ..])
            {
                return Some(String::from_utf8_lossy(&self.line));
            }
        }
    }
}

impl<R: BufRead> Iterator for Mappings<R> {
    type Item = Mapping;

    /// A mapping whose lines are not understood is left out.
    fn next(&mut self) -> Option<Mapping> {
        let mut mapping = None;
        loop {
            let line = self.next_line()?;
            if let Some(head) = head(&line) {
                mapping = Some(head);
            } else if let (Some(mapping), Some(rss)) = (mapping, proc::bytes(&line, "Rss")) {
                return Some(Mapping { rss, ..mapping });
            }
        }
    }
}

/// `start-end perms offset dev inode   name`. Newlines in a name are escaped by the kernel.
fn head(line: &str) -> Option<Mapping> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = (hex(start)?, hex(end)?);
    let permissions = fields.next()?;
    let is_of_file = fields.nth(2)? != "0" || permissions.ends_with('s');
    let used_for = if is_of_file { Some(Use::File) } else { by_name(line, permissions) };
    (start < end).then_some(Mapping { start, end, rss: 0, used_for })
}

/// Of memory without a file: the kernel's own names, those that glibc gives with `glibc.mem.decorate_maps`, or none. A
/// name from the program (`[anon:…]`) is only a name. In a Node process, whatever is executable is V8's.
fn by_name(line: &str, permissions: &str) -> Option<Use> {
    let name = line.find('[').map_or("", |at| line[at..].trim_end());
    let is = |prefix| name.starts_with(prefix);
    match name {
        "[heap]" => Some(Use::Malloc),
        _ if is("[anon: glibc: malloc") => Some(Use::Malloc),
        _ if is("[stack") || is("[anon: glibc: pthread stack") => Some(Use::Stack),
        _ if is("[") && !is("[anon:") => Some(Use::Other),
        _ if permissions.contains('x') => Some(Use::V8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_tells() {
        let cases = [
            ("00400000-00745000 r--p 00001000 fe:00 1234    /opt/[heap]/node (deleted)", Some(Use::File)),
            ("7f10-7f20 rw-p 00000000 fe:00 9    /srv/a\\012 7f30-7f40 rw-p 0 0 0 [heap]", Some(Use::File)),
            ("7f10-7f20 rw-s 00000000 00:01 0    anon_inode:[io_uring]", Some(Use::File)),
            ("7f10-7f20 rw-p 00000000 00:00 0    [heap]", Some(Use::Malloc)),
            ("7f10-7f20 rw-p 00000000 00:00 0    [anon: glibc: malloc arena]", Some(Use::Malloc)),
            ("7f10-7f20 rw-p 00000000 00:00 0    [anon: glibc: pthread stack: 7]", Some(Use::Stack)),
            ("7f10-7f20 rw-p 00000000 00:00 0    [stack]", Some(Use::Stack)),
            ("7f10-7f20 r-xp 00000000 00:00 0    [vdso]", Some(Use::Other)),
            ("7f10-7f20 rwxp 00000000 00:00 0 ", Some(Use::V8)),
            ("7f10-7f20 rw-p 00000000 00:00 0 ", None),
            ("7f10-7f20 rw-p 00000000 00:00 0    [anon:[heap]]", None),
        ];
        for (line, used_for) in cases {
            assert_eq!(head(line).unwrap().used_for, used_for, "{line}");
        }
    }

    #[test]
    fn what_is_no_mapping() {
        for line in [
            "Rss:                 132 kB",
            "VmFlags: rd wr mr",
            "7f20-7f10 rw-p 0 0 0",
            "1ffffffffffffffff-2ffffffffffffffff rw-p 0 00:00 0",
            "7f10-7f20",
            "7f10-7f20 rw-p 0 00:00",
            "-",
            "",
        ] {
            assert_eq!(head(line), None, "{line:?}");
        }
    }

    #[test]
    fn truncated_text_has_only_whole_mappings() {
        let text = "1000-2000 rw-p 00000000 00:00 0 \nSize: 4 kB\nRss:   4 kB\nPss: 1 kB\n\
            3000-9000 rw-p 00000000 00:00 0 \nRss:   99999999999999999999 kB\n\
            a000-c000 rw-p 00000000 00:00 0 [hea\nRss:   8 kB\n";
        let sizes =
            |text: &[u8]| Mappings::new(text).map(|mapping| (mapping.start, mapping.rss)).collect::<Vec<_>>();
        assert_eq!(sizes(text.as_bytes()), [(0x1000, 4096), (0xa000, 8192)]);
        for length in 0..text.len() {
            assert!(sizes(&text.as_bytes()[..length]).len() <= 2);
        }
        assert_eq!(sizes(b"1000-2000 rw-p 0 00:00 0 \xff\xfe\nRss: 4 kB\n"), [(0x1000, 4096)]);
    }
}

//! Files of /proc, and the lines `Key:  123 kB` that several of them consist of.

use std::{fs, path::PathBuf};

/// `/proc/PID/NAME`.
pub(crate) fn path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// A small file as text; a name in it that is not UTF-8 is replaced. `None` if the process is gone, or not ours to read.
pub(crate) fn text(pid: u32, name: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&fs::read(path(pid, name)).ok()?).into_owned())
}

/// What follows `key:` on its line.
pub(crate) fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(key)?.strip_prefix(':').map(str::trim);
    text.lines().find_map(value)
}

/// Bytes of a line `key:  123 kB`.
pub(crate) fn bytes(text: &str, key: &str) -> Option<u64> {
    value(text, key)?.strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sizes() {
        let cases = [
            ("Rss:                 12 kB\n", Some(12 << 10)),
            ("RssAnon: 3 kB\nRss: 4 kB", Some(4 << 10)),
            ("Rss: 12", None),
            ("Rss: -1 kB", None),
            ("Rss: 18446744073709551615 kB", None),
            ("Rss: 99999999999999999999 kB", None),
            ("Rss", None),
            ("Name:\tRss: 1 kB", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text, "Rss"), expected, "{text:?}");
        }
    }
}

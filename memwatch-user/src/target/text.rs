//! Text that a target controls (names, arguments, paths), made fit to be shown.

/// Control characters and those that turn the direction of writing are spelt out: neither may reach a terminal. What is
/// not UTF-8 is replaced.
#[must_use]
pub(crate) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            _ if char.is_control() => shown.extend(char.escape_default()),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.extend(char.escape_unicode());
            }
            _ => shown.push(char),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        for (bytes, expected) in [
            (&b"node"[..], "node"),
            (b"a\x1b[31mred\x07", "a\\u{1b}[31mred\\u{7}"),
            (b"line\nfeed\ttab", "line\\nfeed\\ttab"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            ("caf\u{e9} \u{202e}txt".as_bytes(), "caf\u{e9} \\u{202e}txt"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
        ] {
            assert_eq!(printable(bytes), expected);
        }
    }
}

//! Foreign text as people may be shown it.

use std::fmt::Write as _;

/// Longest foreign text that is shown, in characters: a command line may hold two megabytes.
pub(crate) const LONGEST: usize = 160;

/// Longest sentence of ours with foreign text in it that is shown, in characters.
pub(crate) const LONGEST_SENTENCE: usize = 400;

/// Foreign text made harmless: what could move the cursor, change colours, reverse the direction of writing or hide
/// is shown as `\u{1b}`; cut to [`LONGEST`] characters. Everything that a target can choose passes through here.
#[must_use]
pub(crate) fn escape_untrusted(text: &str) -> String {
    escape_to(text, LONGEST)
}

/// [`escape_untrusted`] with at most `longest` characters, of which `…` is one if any is missing.
#[must_use]
pub(crate) fn escape_to(text: &str, longest: usize) -> String {
    let mut shown = String::new();
    let mut length = 0;
    for char in text.chars() {
        let escaped = if is_dangerous(char) { char.escape_unicode().to_string() } else { char.to_string() };
        length += escaped.chars().count();
        if length > longest {
            while shown.chars().count() >= longest.max(1) {
                shown.pop();
            }
            shown.push('…');
            break;
        }
        shown.push_str(&escaped);
    }
    shown
}

/// Controls (Unicode's Cc), and the format characters (Cf), separators (Zl, Zp) and fillers that are invisible or
/// change how their neighbours are shown: Unicode Technical Report 36 names them as the means of visual spoofing.
const fn is_dangerous(char: char) -> bool {
    matches!(char,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// `parts` that are not empty, with ` · ` between them.
pub(crate) fn join(parts: impl IntoIterator<Item = String>) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).fold(String::new(), |mut all, part| {
        let _infallible = write!(all, "{}{part}", if all.is_empty() { "" } else { " · " });
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: Copy + std::fmt::Debug>(format: impl Fn(T) -> String, cases: &[(T, &str)]) {
        for (input, expected) in cases {
            assert_eq!(format(*input), *expected, "{input:?}");
        }
    }

    #[test]
    fn foreign_text_is_harmless_and_short() {
        check(
            escape_untrusted,
            &[
                ("node server.js", "node server.js"),
                ("größe 漢字 🚀", "größe 漢字 🚀"),
                ("\x1b]0;owned\x07", "\\u{1b}]0;owned\\u{7}"),
                ("a\nb\tc\r", "a\\u{a}b\\u{9}c\\u{d}"),
                ("\u{9b}31m", "\\u{9b}31m"),
                ("exe\u{202e}gpj", "exe\\u{202e}gpj"),
                ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
            ],
        );
        check(
            |text| escape_to(text, 5),
            &[("12345", "12345"), ("123456", "1234…"), ("123\x1b", "123…"), ("漢漢漢漢漢漢", "漢漢漢漢…")],
        );
        assert_eq!(escape_untrusted(&"x".repeat(1 << 20)).chars().count(), LONGEST);
    }
}

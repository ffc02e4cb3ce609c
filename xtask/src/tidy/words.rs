//! Words that say a piece of work is not finished.

use super::scan::{code_only, line_of};
use super::{Finding, Text};

/// In comments too. Spelt in halves, lest this file be found.
const ANYWHERE: [&str; 3] = [concat!("FIX", "ME"), concat!("TO", "DO:"), concat!("XX", "X")];

/// In code. A test that is not run is no test.
const IN_CODE: [&str; 3] = ["todo!", "unimplemented!", "#[ignore"];

/// Checks for unfinished work.
pub(super) fn check(text: &Text) -> Vec<Finding> {
    let code = code_only(&text.content);
    let anywhere = ANYWHERE.iter().flat_map(|word| find(text, &text.content, word));
    let in_code = IN_CODE.iter().flat_map(|word| find(text, &code, word));
    anywhere.chain(in_code).collect()
}

fn find<'a>(text: &'a Text, within: &'a str, word: &'a str) -> impl Iterator<Item = Finding> + 'a {
    let what = move || format!("`{word}`, finish it or take it out");
    within.match_indices(word).map(move |(at, _)| text.finding(line_of(within, at), what()))
}

#[cfg(test)]
mod tests {
    use super::super::samples::expect;
    use super::*;

    #[test]
    fn unfinished_work_is_found_in_code_and_comments() {
        let note = ["//! A.\n// ", ANYWHERE[0], " later\n"].concat();
        expect(check, "a.rs", &note, &[2]);
        expect(check, "a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() { todo!() }\n", &[3, 2]);
        expect(check, "a.rs", "//! No `#[ignore]`, no todo!.\nlet s = \"todo!\";\n", &[]);
    }
}

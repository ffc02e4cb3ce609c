//! Words that say a piece of work is not finished, and words that an engineer on call would have to learn.

use std::path::Path;

use super::scan::{code_only, line_of, literals, words};
use super::{Finding, Text};

/// In comments too. Spelt in halves, lest this file be found.
const ANYWHERE: [&str; 3] = [concat!("FIX", "ME"), concat!("TO", "DO:"), concat!("XX", "X")];

/// In code. A test that is not run is no test.
const IN_CODE: [&str; 3] = ["todo!", "unimplemented!", "#[ignore"];

/// Whose texts users read.
const READ_BY_USERS: &str = "memwatch-user/src";

/// Words that this project once used in a sense of its own, and what the field says. Texts for users do without them.
const DIALECT: [(&str, &str); 8] = [
    ("dear", "expensive, or the overhead in figures"),
    ("looks", "scrapes or samples"),
    ("whom", "which process, or whose"),
    ("somebody", "who it is"),
    ("anybody", "who it is"),
    ("is told", "is reported"),
    ("likewise", "what it is like"),
    ("but for", "except for"),
];

/// Checks for unfinished work, and for dialect.
pub(super) fn check(text: &Text) -> Vec<Finding> {
    let code = code_only(&text.content);
    let anywhere = ANYWHERE.iter().flat_map(|word| find(text, &text.content, word));
    let in_code = IN_CODE.iter().flat_map(|word| find(text, &code, word));
    anywhere.chain(in_code).chain(dialect(text)).collect()
}

fn find<'a>(text: &'a Text, within: &'a str, word: &'a str) -> impl Iterator<Item = Finding> + 'a {
    let what = move || format!("`{word}`, finish it or take it out");
    within.match_indices(word).map(move |(at, _)| text.finding(line_of(within, at), what()))
}

fn dialect(text: &Text) -> Vec<Finding> {
    if !text.path.starts_with(Path::new(READ_BY_USERS)) {
        return Vec::new();
    }
    let in_literal = |(start, literal): (usize, &'_ str)| -> Vec<Finding> {
        let found = DIALECT.iter().flat_map(|(word, instead)| {
            words(literal, word).map(move |at| (at, format!("`{word}` in a text for users, say {instead}")))
        });
        found.map(|(at, what)| text.finding(line_of(&text.content, start + at), what)).collect()
    };
    literals(&text.content).into_iter().flat_map(in_literal).collect()
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

    #[test]
    fn dialect_is_found_in_texts_for_users() {
        let text = "//! Dear looks.\nfn f() { g(\"a\nlooks at\", \"clearly dearer\") }\n";
        expect(check, "memwatch-user/src/a.rs", text, &[3]);
        expect(check, "memwatch-user/tests/a.rs", text, &[]);
    }
}

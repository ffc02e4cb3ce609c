//! Words that say a piece of work is not finished, and words that an engineer on call would have to learn.

use std::path::Path;

use super::{
    Finding, Text,
    imports::is_test,
    scan::{code_only, line_of, literals, words},
};

/// In comments too. Spelt in halves, lest this file be found.
const ANYWHERE: [&str; 3] = [concat!("FIX", "ME"), concat!("TO", "DO:"), concat!("XX", "X")];

/// In code. A test that is not run is no test.
const IN_CODE: [&str; 3] = ["todo!", "unimplemented!", "#[ignore"];

/// Whose texts users read.
const READ_BY_USERS: &str = "memwatch-user/src";

/// Whose doc comments are the `--help`.
const HELP: [&str; 3] = ["cli/args.rs", "cli/heap_args.rs", "cli/output.rs"];

/// Words that this project once used in a sense of its own, and what the field says. Texts for users do without them.
const DIALECT: [(&str, &str); 18] = [
    ("dear", "expensive, or the overhead in figures"),
    ("looks", "scrapes or samples"),
    ("whom", "which process, or whose"),
    ("somebody", "who it is"),
    ("anybody", "who it is"),
    ("is told", "is reported"),
    ("likewise", "what it is like"),
    ("but for", "except for"),
    ("told", "reported, known or distinguished"),
    ("tells", "shows or distinguishes"),
    ("does not tell", "does not show, or lacks"),
    ("books", "statistics or counters"),
    ("said", "printed or reported"),
    ("look", "find, examine or read"),
    ("looked", "searched, examined or read"),
    ("comes", "what happens"),
    ("mended", "found another way"),
    ("lets nobody", "what cannot be done"),
];

/// Behind this, texts are for us.
const TESTS: &str = "#[cfg(test)]\nmod tests {";

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
    let Ok(path) = text.path.strip_prefix(READ_BY_USERS) else { return Vec::new() };
    if is_test(path) {
        return Vec::new();
    }
    let tests = text.content.find(TESTS).unwrap_or(text.content.len());
    let mut read = literals(&text.content[..tests]);
    if HELP.iter().any(|file| path == Path::new(file)) {
        read.extend(doc_comments(&text.content[..tests]));
    }
    read.into_iter().flat_map(|(start, read)| dialect_in(text, start, read)).collect()
}

/// The dialect in `read`, which begins at `start`.
fn dialect_in(text: &Text, start: usize, read: &str) -> Vec<Finding> {
    let found = DIALECT.iter().flat_map(|(word, instead)| {
        words(read, word).map(move |at| (at, format!("`{word}` in a text for users, say {instead}")))
    });
    found.map(|(at, what)| text.finding(line_of(&text.content, start + at), what)).collect()
}

/// The doc comments, with the offsets at which they begin.
fn doc_comments(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = source.split_inclusive('\n').scan(0, |at, line| {
        let start = *at;
        *at += line.len();
        Some((start, line))
    });
    lines.filter(|(_, line)| line.trim_start().starts_with("///"))
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
        expect(check, "memwatch-user/src/a.rs", &format!("{TESTS} {text}"), &[]);
        expect(check, "memwatch-user/src/a/tests.rs", text, &[]);
    }

    #[test]
    fn dialect_is_found_in_the_help() {
        let text = "//! A.\n/// What was told.\nfn f() {}\n// told\n";
        expect(check, "memwatch-user/src/cli/args.rs", text, &[2]);
        expect(check, "memwatch-user/src/a.rs", text, &[]);
    }
}

//! The shape of a source file: what it is for, how long it is, where it may be unsafe.

use std::path::Path;

use super::scan::{code_only, line_of, words};
use super::{Finding, Text};

/// Longer files hold more than one thing.
const MAX_LINES: usize = 600;

/// The only code that may be unsafe: where values from the kernel become typed ones, the helpers of eBPF programs, and our
/// allocator's settings.
const UNSAFE: [&str; 5] = [
    "memwatch-user/src/bpf",
    "memwatch-user/src/host/malloc.rs",
    "memwatch-ebpf/src/raw.rs",
    "memwatch-ebpf/src/maps.rs",
    "memwatch-ebpf/common/src/pod.rs",
];

/// Checks header, length and unsafe code.
pub(super) fn check(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.content.starts_with("//!") {
        findings.push(text.finding(1, "no `//!` at the top, say in a sentence what the file is for"));
    }
    let lines = text.content.lines().count();
    if lines > MAX_LINES {
        findings
            .push(text.finding(lines, format!("{lines} lines, split it into files about one thing each")));
    }
    findings.extend(unsafe_code(text));
    findings.extend(untyped_errors(text));
    findings
}

fn unsafe_code(text: &Text) -> Vec<Finding> {
    if UNSAFE.iter().any(|path| text.path.starts_with(Path::new(path))) {
        return Vec::new();
    }
    let code = code_only(&text.content);
    let what = format!("unsafe code, move it to one of {}", UNSAFE.join(", "));
    words(&code, "unsafe").map(|at| text.finding(line_of(&code, at), what.clone())).collect()
}

/// `Result<T, String>`: nobody can tell one such error from another, nor say it in other words.
fn untyped_errors(text: &Text) -> Vec<Finding> {
    let code = code_only(&text.content);
    let what = "an error that is a text, give it a type that makes the text at the end";
    let untyped =
        words(&code, "Result").filter(|at| second_argument(&code[at + "Result".len()..]) == Some("String"));
    untyped.map(|at| text.finding(line_of(&code, at), what)).collect()
}

/// Of a list of types such as `<A<B, C>, D>`: `D`.
fn second_argument(code: &str) -> Option<&str> {
    let list = code.strip_prefix('<')?;
    let (mut depth, mut start) = (0_usize, None);
    for (at, c) in list.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            // The arrow of a function.
            '>' if list[..at].ends_with('-') => {}
            '>' | ')' | ']' if depth > 0 => depth -= 1,
            '>' => return Some(list[start?..at].trim()),
            ',' if depth == 0 => start = start.or(Some(at + 1)),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::samples::expect;
    use super::*;

    #[test]
    fn a_file_says_what_it_is_for() {
        expect(check, "a.rs", "//! About a.\n", &[]);
        expect(check, "a.rs", "// About a.\n", &[1]);
        expect(check, "a.rs", "", &[1]);
    }

    #[test]
    fn a_file_is_short() {
        let file = |lines: usize| "//! A.\n".to_owned() + &"//\n".repeat(lines - 1);
        expect(check, "a.rs", &file(MAX_LINES), &[]);
        expect(check, "a.rs", &file(MAX_LINES + 1), &[MAX_LINES + 1]);
    }

    #[test]
    fn errors_have_types() {
        let code = |of: &str| format!("//! A.\nfn f() -> {of} {{}}\n");
        for untyped in
            ["Result<u8, String>", "Result<(A<B, C>, [D; 2]), String>", "Result<fn() -> u8, String>"]
        {
            expect(check, "a.rs", &code(untyped), &[2]);
        }
        for typed in
            ["Result<String>", "io::Result<A<u8, String>>", "Result<Map<u8, String>, E>", "Result<u8, E>"]
        {
            expect(check, "a.rs", &code(typed), &[]);
        }
        expect(check, "a.rs", "//! A.\nlet a = b.collect::<Result<\n    _,\n    String\n>>();\n", &[2]);
    }

    #[test]
    fn unsafe_code_has_its_place() {
        let code = "//! A.\n#![deny(unsafe_code)]\n// unsafe\nunsafe { f() }\n";
        expect(check, "memwatch-user/src/model.rs", code, &[4]);
        expect(check, "memwatch-user/src/bpf/maps.rs", code, &[]);
        expect(check, "memwatch-ebpf/src/raw.rs", code, &[]);
    }
}

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
    fn unsafe_code_has_its_place() {
        let code = "//! A.\n#![deny(unsafe_code)]\n// unsafe\nunsafe { f() }\n";
        expect(check, "memwatch-user/src/model.rs", code, &[4]);
        expect(check, "memwatch-user/src/bpf/maps.rs", code, &[]);
        expect(check, "memwatch-ebpf/src/raw.rs", code, &[]);
    }
}

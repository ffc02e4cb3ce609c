//! How long functions are, and the files that only connect.

use super::{
    Finding, Text,
    imports::{is_test, item_end, without_tests},
    scan::{code_only, line_of, words},
};

/// No function is longer: what it does is then done in steps with names.
const LONGEST: usize = 40;
/// Half of all functions are no longer.
const MEDIAN: usize = 7;
/// Files that say which parts of the collector are connected are a page each.
const CONNECTORS: &str = "memwatch-user/src/commands";
const PAGE: usize = 150;

/// Checks one file.
pub(super) fn check(text: &Text) -> Vec<Finding> {
    let mut findings: Vec<Finding> = functions(text)
        .into_iter()
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(line, lines)| {
            text.finding(
                line,
                format!("a function of {lines} lines, at most {LONGEST}: divide it into steps"),
            )
        })
        .collect();
    if text.path.starts_with(CONNECTORS) && is_long(text) {
        let lines = text.content.lines().count();
        let what = format!("{lines} lines of connecting, at most {PAGE}: a stage does it, or divide it");
        findings.push(text.finding(lines, what));
    }
    findings
}

/// Checks all files together.
pub(super) fn check_all(texts: &[Text]) -> Vec<Finding> {
    let sources = texts.iter().filter(|text| text.is("rs"));
    let mut lengths: Vec<usize> = sources.flat_map(functions).map(|(_, lines)| lines).collect();
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
    if median <= MEDIAN {
        return Vec::new();
    }
    let what =
        format!("the median function has {median} lines, at most {MEDIAN}: functions do one thing each");
    vec![Finding { path: "Cargo.toml".into(), line: 1, what }]
}

fn is_long(text: &Text) -> bool {
    text.content.lines().count() > PAGE
}

/// The functions of a file outside of its tests: the line where each begins, and its lines from the signature to the closing
/// brace.
fn functions(text: &Text) -> Vec<(usize, usize)> {
    if is_test(&text.path) {
        return Vec::new();
    }
    let code = without_tests(&code_only(&text.content));
    let starts = words(&code, "fn").filter(|at| has_name(&code[at + 2..]));
    let functions = starts.filter_map(|at| {
        let end = item_end(&code, at);
        code[at..end].ends_with('}').then(|| (line_of(&code, at), 1 + code[at..end].matches('\n').count()))
    });
    functions.collect()
}

/// `fn f`, but not the type `fn(…)`.
fn has_name(after: &str) -> bool {
    after.trim_start().starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::super::samples::expect;
    use super::*;

    fn function(lines: usize) -> String {
        format!("//! A.\nfn f(g: fn(u32)) {{\n{}}}\n", "    g(1);\n".repeat(lines - 2))
    }

    #[test]
    fn a_function_is_short() {
        expect(check, "a.rs", &function(LONGEST), &[]);
        expect(check, "a.rs", &function(LONGEST + 1), &[2]);
        expect(check, "a.rs", &format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(LONGEST + 1)), &[]);
    }

    #[test]
    fn what_connects_is_a_page() {
        let page = "//! A.\n".repeat(PAGE + 1);
        expect(check, "memwatch-user/src/commands/x/y.rs", &page, &[PAGE + 1]);
        expect(check, "memwatch-user/src/engine/y.rs", &page, &[]);
    }

    #[test]
    fn half_of_all_functions_are_shorter() {
        let text = |lines| Text { path: "a.rs".into(), content: function(lines) };
        assert_eq!(check_all(&[text(3), text(MEDIAN), text(30)]), []);
        assert_eq!(check_all(&[text(3), text(MEDIAN + 1), text(30)]).len(), 1);
    }
}

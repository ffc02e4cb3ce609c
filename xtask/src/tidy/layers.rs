//! The one-way flow of the collector: a stage may use the stages before it, never those after it.

use super::scan::{code_only, line_of, words};
use super::{Finding, Text};

/// In the order in which data flows; `memwatch-user/src/lib.rs` draws it.
const STAGES: [&str; 15] = [
    "target",
    "plan",
    "bpf",
    "ingest",
    "symbols",
    "sample",
    "heap",
    "native",
    "series",
    "detect",
    "attribute",
    "engine",
    "report",
    "translate",
    "doctor",
];

/// Usable by every stage, and using no stage.
const SHARED: [&str; 5] = ["host", "model", "units", "v8", "vocabulary"];

/// Knows nothing but its own records, so that a recorded report can be printed where nothing can be watched.
const OUTPUT: &str = "report";

/// What `report` shares with the stages: figures in words, and the words of records.
const WORDS: [&str; 2] = ["units", "vocabulary"];

/// Checks every `crate::…` of the collector's stages. `commands` and `cli` connect the stages and may use all.
pub(super) fn check(text: &Text) -> Vec<Finding> {
    let Some(module) = module_of(text) else { return Vec::new() };
    let code = code_only(&text.content);
    let used = words(&code, "crate").filter(|at| !code[..*at].ends_with('$'));
    used.flat_map(|at| names_after(&code, at))
        .filter(|(name, _)| is_module(name) && !may_use(module, name))
        .map(|(name, at)| text.finding(line_of(&code, at), backward(module, name)))
        .collect()
}

fn backward(module: &str, name: &str) -> String {
    format!("`{module}` uses `{name}`, hand it over through `commands` or move what both need to `model`")
}

fn may_use(module: &str, name: &str) -> bool {
    let place = |of: &str| STAGES.iter().position(|stage| *stage == of);
    match (place(module), place(name)) {
        _ if module == name => true,
        _ if module == OUTPUT => WORDS.contains(&name),
        (_, None) => SHARED.contains(&name),
        (None, Some(_)) => false,
        (Some(here), Some(there)) => there < here,
    }
}

fn is_module(name: &str) -> bool {
    STAGES.contains(&name) || SHARED.contains(&name) || ["commands", "cli"].contains(&name)
}

/// The checked module that the file belongs to: `memwatch-user/src/plan/symbols.rs` belongs to `plan`.
fn module_of(text: &Text) -> Option<&str> {
    let within = text.path.strip_prefix("memwatch-user/src").ok()?;
    let module = within.components().next()?.as_os_str().to_str()?;
    let module = module.strip_suffix(".rs").unwrap_or(module);
    (STAGES.contains(&module) || SHARED.contains(&module)).then_some(module)
}

/// The first names after `crate::`, with their offsets: one, or those of a group `crate::{a::b, c}`.
fn names_after(code: &str, at: usize) -> Vec<(&str, usize)> {
    let Some(path) = code[at..].strip_prefix("crate::") else { return Vec::new() };
    let start = code.len() - path.len();
    if !path.starts_with('{') {
        return vec![(name_at(code, start), start)];
    }
    let mut depth = 0_usize;
    let mut names = Vec::new();
    for (offset, c) in path.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && (c == '{' || c == ',') {
            let gap = path[offset + 1..].len() - path[offset + 1..].trim_start().len();
            let name = start + offset + 1 + gap;
            names.push((name_at(code, name), name));
        }
    }
    names
}

fn name_at(code: &str, at: usize) -> &str {
    let rest = &code[at..];
    &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::super::samples::expect;
    use super::*;

    #[track_caller]
    fn finds(path: &str, code: &str, expected: &[usize]) {
        expect(check, path, code, expected);
    }

    #[test]
    fn arrows_point_one_way() {
        finds("memwatch-user/src/detect/mod.rs", "use crate::series::Series;", &[]);
        finds("memwatch-user/src/series/mod.rs", "use crate::detect::Verdict;", &[1]);
        finds("memwatch-user/src/series/mod.rs", "fn f() -> crate::detect::Verdict {}", &[1]);
        finds(
            "memwatch-user/src/plan/a/b.rs",
            "use crate::{\n  model::{Pid, report},\n  bpf::maps,\n};",
            &[3],
        );
    }

    #[test]
    fn shared_modules_are_for_all_and_use_no_stage() {
        finds("memwatch-user/src/target/mod.rs", "use crate::{host, model::Pid, v8};", &[]);
        finds("memwatch-user/src/model.rs", "use crate::series::Series;", &[1]);
        finds("memwatch-user/src/v8/mod.rs", "use crate::model::Pid;", &[]);
    }

    #[test]
    fn the_report_knows_its_own_records_only() {
        finds("memwatch-user/src/report/text.rs", "use crate::report::record::Gc;", &[]);
        finds("memwatch-user/src/report/text.rs", "use crate::{units, vocabulary::Level};", &[]);
        finds("memwatch-user/src/report/text.rs", "use crate::model::Pid;", &[1]);
    }

    #[test]
    fn only_commands_and_cli_connect_the_stages() {
        finds("memwatch-user/src/commands/watch.rs", "use crate::report::text;", &[]);
        finds("memwatch-user/src/detect/mod.rs", "use crate::commands::watch;", &[1]);
        finds("memwatch-user/src/detect/mod.rs", "//! Not [`crate::report`].\nuse crate::detect::x;", &[]);
    }
}

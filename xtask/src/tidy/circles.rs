//! No two files of the collector import each other, directly or over others: who wants to understand one of them would have
//! to read them all.
//!
//! What a folder's `mod.rs` defines for the files below it does not count: those are parts of it, and see even what is private
//! there.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    Finding, Text,
    imports::{self, Import},
};

/// Whose files are checked.
const CRATE: &str = "memwatch-user/src";

/// The files and which others each imports, with the line of the first import.
type Imports<'a> = BTreeMap<&'a Path, BTreeMap<&'a Path, usize>>;

/// Checks the imports of all files of the collector.
pub(super) fn check(texts: &[Text]) -> Vec<Finding> {
    let sources = imports::Sources::of(texts, Path::new(CRATE));
    let imports = all_imports(&sources);
    circles(&imports).iter().map(|circle| finding(&imports, circle)).collect()
}

fn all_imports<'a>(sources: &imports::Sources<'a>) -> Imports<'a> {
    sources.files().map(|(file, text)| (file, targets(sources, file, text))).collect()
}

fn targets<'a>(sources: &imports::Sources<'a>, file: &'a Path, text: &Text) -> BTreeMap<&'a Path, usize> {
    let mut targets = BTreeMap::new();
    for Import { path, line } in sources.imports(file, text) {
        if let Some(target) = sources.file_of(&path).filter(|target| !sources.is_part(file, target)) {
            targets.entry(target).or_insert(line);
        }
    }
    targets
}

/// For each file that is in a circle one of the shortest through it, each circle once.
fn circles<'a>(imports: &Imports<'a>) -> BTreeSet<Vec<&'a Path>> {
    imports.keys().filter_map(|file| shortest(imports, file)).map(from_least).collect()
}

/// One of the shortest ways from `file` to itself.
fn shortest<'a>(imports: &Imports<'a>, file: &'a Path) -> Option<Vec<&'a Path>> {
    let mut ways = vec![vec![file]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in way.last().and_then(|last| imports.get(last)).into_iter().flat_map(BTreeMap::keys) {
                if *next == file {
                    return Some(way);
                }
                if seen.insert(*next) {
                    longer.push([&way[..], &[next]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

/// The same circle, begun at the file whose name comes first.
fn from_least(mut circle: Vec<&Path>) -> Vec<&Path> {
    let least = (0..circle.len()).min_by_key(|at| circle[*at]).unwrap_or(0);
    circle.rotate_left(least);
    circle
}

fn finding(imports: &Imports<'_>, circle: &[&Path]) -> Finding {
    let short = |path: &&Path| path.strip_prefix(CRATE).unwrap_or(path).display().to_string();
    let names: Vec<String> = circle.iter().chain(circle.first()).map(short).collect();
    let next = circle.get(1).or(circle.first());
    let line = imports[circle[0]].get(next.copied().unwrap_or(circle[0])).copied().unwrap_or(1);
    Finding {
        path: PathBuf::from(circle[0]),
        line,
        what: format!("files that import each other: {}; move what both need to a third", names.join(" → ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<(String, usize)> {
        let text = |(path, content): &(&str, &str)| Text {
            path: Path::new(CRATE).join(path),
            content: (*content).to_owned(),
        };
        let texts: Vec<Text> = files.iter().map(text).collect();
        let short = |finding: Finding| {
            (finding.path.strip_prefix(CRATE).unwrap().display().to_string(), finding.line)
        };
        check(&texts).into_iter().map(short).collect()
    }

    #[test]
    fn a_circle_of_two_and_of_three_is_found_once() {
        let two = [
            ("a.rs", "//! A.\nuse crate::b::B;"),
            ("b.rs", "fn f(a: crate::a::A) {}"),
            ("c.rs", "use crate::a;"),
        ];
        assert_eq!(found(&two), [("a.rs".to_owned(), 2)]);
        let three =
            [("a.rs", "use crate::b::B;"), ("b.rs", "use crate::c::C;"), ("c.rs", "use crate::a::A;")];
        assert_eq!(found(&three), [("a.rs".to_owned(), 1)]);
    }

    #[test]
    fn what_a_folder_takes_from_its_files_and_hands_on_is_no_circle() {
        let files = [
            ("a/mod.rs", "mod b;\nmod c;\npub use self::b::B;\nuse self::c::C;\nfn f() {}"),
            ("a/b.rs", "use super::c::C;\nstruct B;"),
            ("a/c.rs", "struct C;"),
        ];
        assert_eq!(found(&files), []);
    }

    #[test]
    fn a_folder_and_its_files_are_one_but_its_files_are_not() {
        let files = [
            ("a/mod.rs", "mod b; mod c;\nuse self::b::B;\nstruct Own;"),
            ("a/b.rs", "use super::{Own, c::C};\nstruct B;"),
            ("a/c.rs", "struct C;\nfn f() -> super::B {}"),
        ];
        assert_eq!(found(&files), [("a/b.rs".to_owned(), 1)]);
        assert_eq!(found(&files[..2]), []);
    }

    #[test]
    fn tests_may_use_what_is_tested() {
        let files = [
            ("a.rs", "mod tests;\nstruct A;"),
            ("a/tests.rs", "use super::A;"),
            ("b.rs", "use crate::c::C;\nstruct B;"),
            ("c.rs", "struct C;\n#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}"),
        ];
        assert_eq!(found(&files), []);
    }
}

//! Which file uses what of which other file, by the paths in its code. Tests do not count: they may use what they test.

use std::{collections::BTreeMap, path::Path};

use super::{
    Text,
    scan::{code_only, line_of, words},
};

/// Re-exports of re-exports are followed so far.
const MOST_ALIASES: usize = 8;

/// A module by its names from the crate's root, or an item by its module and name.
type Names = Vec<String>;

/// A path in the code of a file.
pub(super) struct Import {
    /// From the crate's root.
    pub(super) path: Names,
    pub(super) line: usize,
}

/// All files of a crate.
pub(super) struct Sources<'a> {
    files: BTreeMap<&'a Path, &'a Text>,
    modules: BTreeMap<Names, &'a Path>,
    /// What a module's `use` declarations call by another name than where it is.
    aliases: BTreeMap<Names, BTreeMap<String, Names>>,
}

impl<'a> Sources<'a> {
    /// Those below `root`.
    pub(super) fn of(texts: &'a [Text], root: &Path) -> Self {
        let is_ours = |text: &&Text| text.is("rs") && text.path.starts_with(root) && !is_test(&text.path);
        let files: BTreeMap<&Path, &Text> =
            texts.iter().filter(is_ours).map(|text| (text.path.as_path(), text)).collect();
        let modules = files.keys().map(|path| (module(path, root), *path)).collect();
        let mut sources = Self { files, modules, aliases: BTreeMap::new() };
        sources.aliases = sources
            .modules
            .iter()
            .map(|(names, path)| (names.clone(), sources.names_used(names, path)))
            .collect();
        sources
    }

    /// All files.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'a Path, &'a Text)> {
        self.files.iter().map(|(path, text)| (*path, *text))
    }

    /// Every path in the code of a file that leads to something of this crate.
    pub(super) fn imports(&self, file: &Path, text: &Text) -> Vec<Import> {
        let Some(here) = self.modules.iter().find(|(_, path)| **path == file).map(|(names, _)| names) else {
            return Vec::new();
        };
        let code = without_tests(&code_only(&text.content));
        let used = uses(&code).into_iter().map(|used| (used.path, used.at));
        let paths = used.chain(expressions(&without_uses(&code)));
        let absolute = |(path, at): (Names, usize)| {
            self.absolute(here, &path).map(|path| Import { path, line: line_of(&code, at) })
        };
        paths.filter_map(absolute).collect()
    }

    /// Whether `file` is `of`, or a file of the folder that `of` is the `mod.rs` of.
    pub(super) fn is_part(&self, file: &Path, of: &Path) -> bool {
        let names = |path: &Path| self.modules.iter().find(|(_, of)| **of == path).map(|(names, _)| names);
        names(file).zip(names(of)).is_some_and(|(file, of)| file.starts_with(of))
    }

    /// The file that defines what `path` names.
    pub(super) fn file_of(&self, path: &[String]) -> Option<&'a Path> {
        self.defined(path, MOST_ALIASES)
    }

    fn defined(&self, path: &[String], aliases_left: usize) -> Option<&'a Path> {
        let within = (0..=path.len()).rev().find(|length| self.modules.contains_key(&path[..*length]))?;
        let module = &path[..within];
        let alias = path.get(within).and_then(|name| self.aliases.get(module)?.get(name));
        match alias {
            Some(alias) if aliases_left > 0 => {
                self.defined(&[alias, &path[within + 1..]].concat(), aliases_left - 1)
            }
            _ => self.modules.get(module).copied(),
        }
    }

    fn names_used(&self, here: &Names, path: &Path) -> BTreeMap<String, Names> {
        let code = without_tests(&code_only(&self.files[path].content));
        let named = |used: Used| Some((used.name, self.absolute(here, &used.path)?));
        uses(&code).into_iter().filter_map(named).collect()
    }

    /// The path from the crate's root; `None` if it leads to another crate.
    fn absolute(&self, here: &[String], path: &[String]) -> Option<Names> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([here, rest].concat()),
            "super" => {
                let parent = &here[..here.len().checked_sub(1)?];
                if rest.first().is_some_and(|next| next == "super") {
                    return self.absolute(parent, rest);
                }
                Some([parent, rest].concat())
            }
            _ => {
                let local = [here, path].concat();
                self.modules.contains_key(&local[..=here.len()]).then_some(local)
            }
        }
    }
}

/// Whether a file holds tests of the one beside it.
pub(super) fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|stem| stem == "tests")
}

fn module(path: &Path, root: &Path) -> Names {
    let within = path.strip_prefix(root).unwrap_or(path).with_extension("");
    let mut names: Names = within.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|last| last == "mod" || (last == "lib" && names.len() == 1)) {
        names.pop();
    }
    names
}

/// The code with what is compiled for tests only replaced by spaces.
pub(super) fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(at) = out.find("#[cfg(test)]") {
        let end = item_end(&out, at);
        let blank: String = out[at..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        out.replace_range(at..end, &blank);
    }
    out
}

/// Where the item ends that begins at `at`: behind its body, or its semicolon.
pub(super) fn item_end(code: &str, at: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, c) in code[at..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + offset + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + offset + 1,
            _ => {}
        }
    }
    code.len()
}

/// The code without its `use` declarations.
fn without_uses(code: &str) -> String {
    let mut out = code.to_owned();
    for at in words(code, "use") {
        let end = code[at..].find(';').map_or(code.len(), |end| at + end);
        let blank: String = code[at..end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        out.replace_range(at..end, &blank);
    }
    out
}

/// Something that a `use` declaration names.
struct Used {
    path: Names,
    /// How it is called here.
    name: String,
    at: usize,
}

fn uses(code: &str) -> Vec<Used> {
    let mut used = Vec::new();
    for at in words(code, "use") {
        let end = code[at..].find(';').map_or(code.len(), |end| at + end);
        let tree: String = code[at + 3..end].split_whitespace().collect::<Vec<_>>().join(" ");
        expand(&tree, &[], at, &mut used);
    }
    used
}

/// `a::{b, c as d}` is `a::b` and `a::c`, the latter called `d`.
fn expand(tree: &str, before: &[String], at: usize, used: &mut Vec<Used>) {
    let tree = tree.trim();
    if let Some((path, group)) = tree.split_once('{') {
        let before = [before, &names(path)].concat();
        let group = group.strip_suffix('}').unwrap_or(group);
        return parts(group).iter().for_each(|part| expand(part, &before, at, used));
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias)));
    let mut path = [before, &names(path)].concat();
    if path.last().is_some_and(|last| last == "self" || last == "*") {
        path.pop();
    }
    let Some(last) = path.last().cloned() else { return };
    used.push(Used { path, name: alias.map_or(last, str::to_owned), at });
}

fn names(path: &str) -> Names {
    path.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What commas divide outside of braces.
fn parts(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[start..]);
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

/// Paths outside of `use` declarations.
fn expressions(code: &str) -> Vec<(Names, usize)> {
    let mut paths = Vec::new();
    let mut at = 0;
    while let Some(found) = code[at..].find("::").map(|found| at + found) {
        let start = code[..found].rfind(|c: char| !is_in_name(c)).map_or(0, |before| before + 1);
        let length = code[start..].find(|c: char| !is_in_name(c) && c != ':').unwrap_or(code.len() - start);
        let path = names(&code[start..start + length]);
        if !path.is_empty() && start < found {
            paths.push((path, start));
        }
        at = (start + length).max(found + 2);
    }
    paths
}

fn is_in_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(code: &str) -> Vec<String> {
        let texts = [
            ("a/mod.rs", "mod b; pub use self::b::B; pub use crate::c::{C as D, E};"),
            ("a/b.rs", ""),
            ("a/d.rs", code),
            ("c.rs", ""),
            ("lib.rs", "mod a; mod c;"),
        ];
        let texts: Vec<Text> = texts
            .iter()
            .map(|(path, content)| Text { path: path.into(), content: (*content).to_owned() })
            .collect();
        let sources = Sources::of(&texts, Path::new(""));
        let imports = sources.imports(Path::new("a/d.rs"), &texts[2]);
        let target = |import: Import| sources.file_of(&import.path).map(|file| file.display().to_string());
        imports.into_iter().filter_map(target).collect()
    }

    #[test]
    fn paths_lead_to_the_file_that_defines() {
        assert_eq!(paths("use super::{B, D};"), ["a/b.rs", "c.rs"]);
        assert_eq!(paths("use crate::{a::Own, c::{self, E}}; use std::fmt;"), ["a/mod.rs", "c.rs", "c.rs"]);
        assert_eq!(paths("fn f() -> super::super::c::E { super::Own::new() }"), ["c.rs", "a/mod.rs"]);
        assert_eq!(paths("// crate::c\n#[cfg(test)]\nmod tests { use crate::c::E; }\nfn g() {}"), [""; 0]);
    }
}

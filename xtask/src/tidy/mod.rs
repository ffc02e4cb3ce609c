//! `cargo xtask tidy`: the rules that rustfmt and clippy do not know. Each finding is one line,
//! `file:line: what, what to do`.

mod circles;
mod examples;
mod imports;
mod layers;
mod licences;
mod links;
mod machine;
mod scan;
mod sizes;
mod source;
mod words;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::repo;
use crate::run::{cmd, complain, say};

/// Options of `tidy`.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// Something to change.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: PathBuf,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.what)
    }
}

/// A text file of the repository.
struct Text {
    /// Relative to the top directory.
    path: PathBuf,
    content: String,
}

impl Text {
    fn is(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|is| is == extension)
    }

    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }
}

/// Checks files and dependencies; prints every finding. Fails when there is one.
pub(crate) fn run(_: &Args) -> Result<()> {
    let texts = texts()?;
    let mut findings: Vec<Finding> = texts.iter().flat_map(check).collect();
    findings.extend(links::check(&texts, repo::root()));
    findings.extend(circles::check(&texts));
    findings.extend(examples::check_all(&texts));
    findings.extend(sizes::check_all(&texts));
    findings.extend(licences::check()?);
    for finding in &findings {
        complain(&finding.to_string());
    }
    if !findings.is_empty() {
        bail!("tidy: {} to change", findings.len());
    }
    say(&format!("tidy: {} files, nothing to change", texts.len()));
    Ok(())
}

fn check(text: &Text) -> Vec<Finding> {
    let mut findings = machine::check(text);
    if text.is("rs") {
        findings.extend(source::check(text));
        findings.extend(words::check(text));
        findings.extend(layers::check(text));
        findings.extend(sizes::check(text));
    }
    findings
}

/// Every text file that is committed, or will be with the next `git add`.
fn texts() -> Result<Vec<Text>> {
    let list = cmd("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .dir(repo::root())
        .ask()?;
    Ok(list.lines().filter_map(|path| text(Path::new(path))).collect())
}

/// The file, unless it is not text, or was deleted and git does not know yet.
fn text(path: &Path) -> Option<Text> {
    let content = fs::read_to_string(repo::root().join(path)).ok()?;
    Some(Text { path: path.to_owned(), content })
}

#[cfg(test)]
mod samples {
    use super::*;

    /// A file of that name and content has something to change on these lines.
    #[track_caller]
    pub(super) fn expect(check: fn(&Text) -> Vec<Finding>, path: &str, content: &str, expected: &[usize]) {
        let text = Text { path: path.into(), content: content.into() };
        let lines: Vec<usize> = check(&text).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, expected, "{path}: {content}");
    }
}

//! Links between the files of the repository lead somewhere.

use std::path::{Component, Path, PathBuf};

use super::scan::line_of;
use super::{Finding, Text};

/// Checks the relative links of every Markdown file.
pub(super) fn check(texts: &[Text], root: &Path) -> Vec<Finding> {
    texts.iter().filter(|text| text.is("md")).flat_map(|text| broken(text, root, texts)).collect()
}

fn broken(text: &Text, root: &Path, texts: &[Text]) -> Vec<Finding> {
    links(&text.content)
        .into_iter()
        .filter_map(|(at, link)| {
            let (file, heading) =
                link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
            let to = if file.is_empty() { text.path.clone() } else { beside(&text.path, file) };
            let why = why_broken(&to, heading, root, texts)?;
            Some(text.finding(line_of(&text.content, at), format!("link to `{link}`: {why}, correct it")))
        })
        .collect()
}

fn why_broken(to: &Path, heading: Option<&str>, root: &Path, texts: &[Text]) -> Option<String> {
    let page = texts.iter().find(|text| text.path == to);
    if page.is_none() && !root.join(to).exists() {
        return Some(format!("there is no {}", to.display()));
    }
    let (heading, page) = (heading?, page.filter(|page| page.is("md"))?);
    let known =
        page.content.lines().filter_map(|line| line.strip_prefix('#')).any(|line| anchor(line) == heading);
    (!known).then(|| format!("{} has no such heading", to.display()))
}

/// The anchor that GitHub gives to a heading.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_';
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(kept)
        .collect::<String>()
        .replace(' ', "-")
}

/// Where a link from `page` leads, without leaving the repository.
fn beside(page: &Path, link: &str) -> PathBuf {
    let mut to = page.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => drop(to.pop()),
            Component::Normal(name) => to.push(name),
            _ => {}
        }
    }
    to
}

/// The relative targets of `[text](target)` outside code, with their offsets.
fn links(markdown: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut offset, mut in_code) = (0, false);
    for line in markdown.split_inclusive('\n') {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            found.extend(links_in_line(line).into_iter().map(|(at, link)| (offset + at, link)));
        }
        offset += line.len();
    }
    found
}

fn links_in_line(line: &str) -> Vec<(usize, &str)> {
    let target = |at: usize| line[at..].split([')', ' ']).next().unwrap_or_default();
    line.match_indices("](")
        .filter(|(at, _)| line[..*at].matches('`').count().is_multiple_of(2) || line[..*at].ends_with('`'))
        .map(|(at, found)| (at, target(at + found.len())))
        .filter(|(_, link)| !link.contains("://") && !link.starts_with("mailto:"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn expect(page: &str, expected: &[usize]) {
        let text = |path: &str, content: &str| Text { path: path.into(), content: content.into() };
        let texts =
            [text("xtask/a.md", page), text("xtask/Cargo.toml", ""), text("xtask/b.md", "# B is: here\n")];
        let root = crate::repo::root();
        let lines: Vec<usize> = check(&texts, root).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, expected, "{page}");
    }

    #[test]
    fn a_link_leads_to_a_file() {
        expect("[toml](Cargo.toml) [up](../Cargo.toml) [web](https://github.com/x)", &[]);
        expect("\n[gone](no-such-file.md)", &[2]);
        expect("```\n[gone](no-such-file.md)\n```\nand `[gone](nowhere)`", &[]);
    }

    #[test]
    fn a_link_leads_to_a_heading() {
        expect("# One `two`, three\n[x](#one-two-three)", &[]);
        expect("# One\n[x](#two)", &[2]);
    }
}

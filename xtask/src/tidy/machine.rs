//! Traces of one machine: paths and hosts that mean nothing anywhere else.

use super::scan::line_of;
use super::{Finding, Text};

/// Where people and build machines keep their checkouts. Spelt in halves, lest this file be found.
const PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/tmp", "/w/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// The hosts that a URL may name: what the whole world can reach and what this project refers to.
const HOSTS: [&str; 30] = [
    "127.0.0.1",
    "aya-rs.dev",
    "crates.io",
    "docs.kernel.org",
    "docs.rs",
    "elixir.bootlin.com",
    "embarkstudios.github.io",
    "example.com",
    "git.kernel.org",
    "github.com",
    "json-schema.org",
    "jsonlines.org",
    "no-color.org",
    "www.apache.org",
    "www.w3.org",
    "keepachangelog.com",
    "localhost",
    "lwn.net",
    "man7.org",
    "nodejs.org",
    "opensource.org",
    "opentelemetry.io",
    "rustup.rs",
    "rust-lang.org",
    "doc.rust-lang.org",
    "semver.org",
    "chromium.googlesource.com",
    "source.chromium.org",
    "v8.dev",
    "www.npmjs.com",
];

/// Checks paths and hosts in every kind of text.
pub(super) fn check(text: &Text) -> Vec<Finding> {
    let mut findings: Vec<Finding> = PATHS.iter().flat_map(|path| paths(text, path)).collect();
    findings.extend(hosts(text));
    findings
}

fn paths<'a>(text: &'a Text, path: &'a str) -> impl Iterator<Item = Finding> + 'a {
    let content = &text.content;
    content
        .match_indices(path)
        .filter(|(at, _)| !content[..*at].ends_with(|c: char| c.is_alphanumeric() || "._-/}".contains(c)))
        .map(move |(at, _)| {
            text.finding(line_of(content, at), format!("`{path}`, a path of one machine, derive it"))
        })
}

fn hosts(text: &Text) -> impl Iterator<Item = Finding> + '_ {
    let content = &text.content;
    content.match_indices("://").filter_map(move |(at, _)| {
        let host = host_of(content[..at].chars().next_back()?, &content[at + 3..])?;
        let known = HOSTS.contains(&host) || host.ends_with(".example");
        (!known).then(|| {
            text.finding(
                line_of(content, at),
                format!("host `{host}`, take it out or add it to HOSTS in {}", file!()),
            )
        })
    })
}

/// The host of a URL, unless it is a placeholder such as `http://{addr}`, `file://` or prose.
fn host_of(before: char, after: &str) -> Option<&str> {
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').unwrap_or(after.len());
    let host = after[..end].trim_end_matches('.');
    (before.is_ascii_alphabetic() && host.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::super::samples::expect;
    use super::*;

    #[test]
    fn paths_of_one_machine_are_found() {
        expect(check, "a.md", &format!("see {}x\n", PATHS[0]), &[1]);
        expect(check, "a.rs", &format!("\nlet p = \"{}me\";", PATHS[3]), &[2]);
        expect(check, "a.md", &format!("/proc/1{}x and .{}x", PATHS[2], PATHS[0]), &[]);
    }

    #[test]
    fn unknown_hosts_are_found() {
        let url = |host: &str| ["see https:", "//", host, "/x."].concat();
        expect(check, "a.md", &url("github.com"), &[]);
        expect(check, "a.md", &url("mirror.internal"), &[1]);
        expect(check, "a.md", &url("10.0.0.1:8080"), &[1]);
        expect(check, "a.rs", &url("{address}"), &[]);
    }
}

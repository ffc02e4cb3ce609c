//! Findings about a host and a process: a line each, with what to do about it where anything can be done.

use std::io::{self, Write};

use serde::Serialize;

use super::record::SCHEMA;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was examined.
    pub name: String,
    /// What it means for watching.
    pub state: State,
    /// What was found; fit to be shown.
    pub detail: String,
    /// What to do about it, if anything can be done.
    pub fix: Option<String>,
}

/// What a finding means for watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// All is well.
    Ok,
    /// Something is lost; the detail says what.
    Warn,
    /// Nothing can be watched.
    Fail,
}

impl Check {
    /// A finding that needs nothing.
    #[must_use]
    pub(crate) fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Ok, detail: detail.into(), fix: None }
    }

    /// A finding that costs something, with what to do about it.
    #[must_use]
    pub(crate) fn warn(name: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Warn, detail: detail.into(), fix: Some(fix.into()) }
    }

    /// A finding that rules out watching, with what to do about it.
    #[must_use]
    pub(crate) fn fail(name: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { state: State::Fail, ..Self::warn(name, detail, fix) }
    }
}

/// Writes a line a finding, and below it what to do about it.
pub(crate) fn write_text(checks: &[Check], color: bool, out: &mut dyn Write) -> io::Result<()> {
    render(checks, color).iter().try_for_each(|line| writeln!(out, "{line}"))
}

/// Writes one JSON object a line.
pub(crate) fn write_json(checks: &[Check], out: &mut dyn Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        schema: u32,
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(flatten)]
        check: &'a Check,
    }
    for check in checks {
        serde_json::to_writer(&mut *out, &Line { schema: SCHEMA, kind: "check", check })?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// A line a finding: state, name, detail, and what to do about it on a line of its own below.
#[must_use]
pub(crate) fn render(checks: &[Check], color: bool) -> Vec<String> {
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for check in checks {
        lines.push(format!("{}  {:width$}  {}", mark(check.state, color), check.name, check.detail));
        lines.extend(check.fix.iter().map(|fix| format!("      {:width$}  fix: {fix}", "")));
    }
    lines
}

fn mark(state: State, color: bool) -> String {
    let (word, sgr) = match state {
        State::Ok => ("ok  ", 32),
        State::Warn => ("warn", 33),
        State::Fail => ("fail", 31),
    };
    if color { format!("\x1b[{sgr}m{word}\x1b[0m") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Check> {
        vec![
            Check::ok("kernel", "6.1.0"),
            Check::warn("lockdown", "confidentiality", "boot without it"),
            Check::fail("a b", "nothing", "root"),
        ]
    }

    #[test]
    fn lines_are_aligned() {
        let expected = [
            "ok    kernel    6.1.0",
            "warn  lockdown  confidentiality",
            "                fix: boot without it",
            "fail  a b       nothing",
            "                fix: root",
        ];
        assert_eq!(render(&sample(), false), expected);
        assert_eq!(render(&[], true), [""; 0]);
    }

    #[test]
    fn only_the_state_is_coloured() {
        let plain = render(&sample(), false);
        let color = render(&sample(), true);
        assert_eq!(color[3], "\x1b[31mfail\x1b[0m  a b       nothing");
        assert_eq!(color[4], plain[4]);
    }

    #[test]
    fn json_has_one_object_a_line() {
        let mut out = Vec::new();
        write_json(&sample()[..2], &mut out).unwrap();
        let expected = r#"{"schema":1,"type":"check","name":"kernel","state":"ok","detail":"6.1.0","fix":null}
{"schema":1,"type":"check","name":"lockdown","state":"warn","detail":"confidentiality","fix":"boot without it"}
"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

//! `doctor`: what this host and a process allow, a line a finding, with the way out where there is one.

mod host;
mod malloc;
mod process;

use std::io::{self, Write};

use anyhow::Result;
use serde::Serialize;

pub use self::{host::checks as host_checks, process::checks as process_checks};
use super::watch::sinks::has_color;
use crate::{
    bpf::{multi, trial},
    cli::job::Doctor,
    host::{features::Features, kernel::Kernel},
    report::record::SCHEMA,
};

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
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
pub enum State {
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
    pub fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Ok, detail: detail.into(), fix: None }
    }

    /// A finding that costs something, with the way out.
    #[must_use]
    pub fn warn(name: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Warn, detail: detail.into(), fix: Some(fix.into()) }
    }

    /// A finding that forbids watching, with the way out.
    #[must_use]
    pub fn fail(name: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { state: State::Fail, ..Self::warn(name, detail, fix) }
    }
}

/// Checks everything, and writes what was found. Returns the exit status: 0 if watching is possible, else 2.
pub fn run(job: &Doctor) -> Result<u8> {
    let kernel = Kernel::running();
    let features = Features::probe(kernel.version, multi::is_supported()).without(&job.assume_missing);
    let rights = trial::rights();
    let mut checks = host_checks(&kernel, features, &rights);
    checks.push(host::mappings(features, &rights));
    checks.extend(job.pid.map(process_checks).unwrap_or_default());
    let mut out = io::stdout().lock();
    if job.output.json {
        write_json(&checks, &mut out)?;
    } else {
        write_text(&checks, has_color(job.output), &mut out)?;
    }
    out.flush()?;
    let possible = checks.iter().all(|check| check.state != State::Fail);
    Ok(if possible { 0 } else { 2 })
}

fn write_text(checks: &[Check], color: bool, out: &mut dyn Write) -> io::Result<()> {
    render(checks, color).iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn write_json(checks: &[Check], out: &mut dyn Write) -> io::Result<()> {
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

/// A line a finding: state, name, detail, and the way out on a line of its own below.
#[must_use]
pub fn render(checks: &[Check], color: bool) -> Vec<String> {
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
    use crate::host::features::FeatureName;

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

    #[test]
    fn a_host_without_ring_buffers_fails() {
        let kernel = Kernel::running();
        let features =
            Features::probe(kernel.version, multi::is_supported()).without(&[FeatureName::RingBuffer]);
        let checks = host_checks(&kernel, features, &trial::rights());
        let ring = checks.iter().find(|check| check.name == "ring buffer").unwrap();
        assert_eq!(ring.state, State::Fail);
    }
}

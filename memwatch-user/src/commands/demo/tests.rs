//! Programs that pretend to be Node stand in for broken ones; the real one runs in the tests package.

use std::{fs, os::unix::fs::PermissionsExt, process, time::Instant};

use super::*;
use crate::report::{record::Unit, time::Time};

/// A shell script in place of Node, removed again.
fn with_script<T>(name: &str, body: &str, then: impl FnOnce(&Path) -> T) -> T {
    let path = env::temp_dir().join(format!("memwatch-demo-{name}-{}", process::id()));
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let result = then(&path);
    fs::remove_file(&path).unwrap();
    result
}

fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn the_program_is_ended_with_its_handle() {
    with_script("sleeper", "echo ready; exec sleep 600", |script| {
        let program = LeakyProgram::start(Some(script)).unwrap();
        let pid = program.pid();
        assert!(is_alive(pid));
        drop(program);
        assert!(!is_alive(pid));
    });
}

#[test]
fn what_is_no_node_is_named_with_its_complaint() {
    let cases = [
        ("old", "echo 'bad \x1b[31moption: -e' >&2; exit 9", "bad \\u{1b}[31moption: -e"),
        ("mute", "exit 0", "it said nothing"),
        ("other", "echo hello; exec sleep 600", "it said nothing"),
    ];
    for (name, body, complaint) in cases {
        let started = Instant::now();
        let error =
            with_script(name, body, |script| LeakyProgram::start(Some(script)).unwrap_err().to_string());
        assert!(error.contains(&format!("did not run the demo's program: {complaint};")), "{error}");
        assert!(started.elapsed() < START_TIMEOUT);
    }
    let error = LeakyProgram::start(Some(Path::new("/nowhere/node"))).unwrap_err();
    assert!(matches!(error, DemoError::Start { .. }), "{error}");
}

#[test]
fn programs_are_found_on_the_path_only_if_they_can_be_run() {
    assert!(on_path("sh").unwrap().is_absolute());
    assert_eq!(on_path("memwatch-no-such-program"), None);
    assert!(!is_program(Path::new("/etc/passwd")) && !is_program(Path::new("/bin")));
}

fn verdict(level: Level) -> Verdict {
    Verdict {
        isolate: Some(1),
        verdict: level,
        kind: Kind::JsHeap,
        rate_bytes_per_hour: Some(7.23e9),
        rate_per_hour: Some(7.23e9),
        rate_unit: Unit::Bytes,
        rate_interval: None,
        since: Time::default(),
        confidence: None,
        time_to_exhaustion_s: Some([Some(1230.0), None]),
        exhausts: Some(Resource::HeapLimit),
        evidence: Vec::new(),
        sites: Vec::new(),
    }
}

#[test]
fn the_closing_says_what_came_out_and_what_to_type() {
    let caught = "Caught: the JavaScript heap of leaky-checkout grows by 7.2 GB/h, and reaches its limit in about 20 min.";
    let missed = "leaky-checkout leaks, and was not caught within the time: the last verdict was growing. On a busy \
                  machine it takes longer: try the demo again.";
    let cases = [
        (Some(verdict(Level::Leak)), caught),
        (Some(verdict(Level::Growing)), missed),
        (None, "leaky-checkout was not watched long enough for a verdict."),
    ];
    for (verdict, first) in cases {
        let lines = closing(verdict.as_ref());
        assert_eq!(lines.first().map(String::as_str), Some(first));
        assert_eq!(lines.last().map(String::as_str), Some("    sudo memwatch-bpf --pid PID"));
    }
}

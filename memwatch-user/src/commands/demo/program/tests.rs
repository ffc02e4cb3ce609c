//! Programs that pretend to be Node stand in for broken ones; the real one runs in the tests package.

use std::{fs, os::unix::fs::PermissionsExt, process, time::Instant};

use super::*;

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
        ("mute", "exit 0", "it printed nothing"),
        ("other", "echo hello; exec sleep 600", "it printed nothing"),
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

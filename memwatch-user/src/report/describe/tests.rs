//! One case a sentence that the recorded streams do not contain.

use super::*;

#[track_caller]
fn check(json: &str, expected: &str) {
    let line = body(&serde_json::from_str(json).unwrap(), Some(4_144_000_000), Detail::Brief);
    assert_eq!(format!("{} {}", line.tag, line.text), expected);
}

#[test]
fn collections_with_unknown_sizes() {
    let gc = |before, after| {
        format!(
            r#"{{"type":"gc","isolate":1,"thread":9,"kind":"scavenge","reason":"task","pause_us":850,
            "before_bytes":{before},"after_bytes":{after},"compacted":null,"marking_ms":null}}"#
        )
    };
    for (before, after, sizes) in [
        ("48200000", "31000000", "48.2 → 31.0 MB (-17.2)"),
        ("null", "31000000", "? → 31.0 MB"),
        ("48200000", "null", "48.2 MB → ?"),
        ("null", "null", "sizes not seen"),
    ] {
        check(&gc(before, after), &format!("gc scavenge {sizes} in 850 µs · task · limit 4.1 GB"));
    }
}

#[test]
fn every_way_to_go() {
    for (how, expected) in [
        (r#""how":"exit","code":0"#, "exited with code 0"),
        (r#""how":"signal","signal":9,"name":"SIGKILL""#, "killed by SIGKILL (9)"),
        (
            r#""how":"oom-kill","scope":"cgroup""#,
            "killed by the kernel's OOM killer: its cgroup was out of memory",
        ),
        (r#""how":"oom-kill","scope":null"#, "killed by the kernel's OOM killer"),
        (
            r#""how":"v8-out-of-memory","isolate":2,"location":"Reached heap limit""#,
            "V8 ran out of memory in isolate 2: Reached heap limit",
        ),
        (r#""how":"exec""#, "executed another program"),
        (r#""how":"unknown""#, "exited, cause unknown"),
    ] {
        check(&format!(r#"{{"type":"end",{how}}}"#), &format!("end {expected}"));
    }
}

#[test]
fn losses_name_what_is_not_zero() {
    let loss = |lost, malformed| Loss { lost, malformed, ..Loss::default() };
    assert_eq!(losses(&Loss { mended: 7, ..loss(0, 0) }), None);
    assert_eq!(losses(&loss(3, 1)).as_deref(), Some("3 lost, 1 malformed"));
}

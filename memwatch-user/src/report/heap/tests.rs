//! Answers as people and programs read them.

use super::{
    Answer, Page,
    lines::{grouped, signed, table},
    record::{Checked, Class, Holder, Isolates, Root, Source, Summary, Taken, Totals},
    write_json,
};

const PLAIN: Page = Page { width: None, color: false };

fn source() -> Source {
    Source {
        schema: 1,
        kind: "heap".to_owned(),
        pid: 7,
        title: "node server.js".to_owned(),
        node_version: Some("24.21.0".to_owned()),
        isolate: Isolates::One(0),
        taken: Taken::Stopped,
        pause_us: 12_345,
        checked: Checked { bad_slots: 0, forwarded: 0, explained: Some(0.999) },
    }
}

fn summary() -> Summary {
    let holder = Holder {
        share: 0.268,
        bytes: 13_100_000,
        count: 20_000,
        class: "Session".to_owned(),
        place: "Map `sessions` (closure of rememberSession, server.js:12)".to_owned(),
        path: vec!["variable `sessions`".to_owned()],
        function: Some("rememberSession".to_owned()),
        file: Some("/app/server.js".to_owned()),
        line: Some(12),
        own: false,
    };
    let class = Class {
        name: "Session".to_owned(),
        shape: None,
        kind: "object".to_owned(),
        count: 20_000,
        shallow_bytes: 1_600_000,
        external_bytes: 0,
        held_bytes: 12_000_000,
    };
    Summary {
        source: source(),
        internal: false,
        totals: Totals {
            objects: 612_345,
            shallow_bytes: 48_200_000,
            garbage_bytes: None,
            external_bytes: 10_600_000,
        },
        holders: vec![holder],
        classes: vec![class],
        roots: vec![Root { name: "handle scopes".to_owned(), isolate: Some(0), edges: 100_000, many: true }],
    }
}

#[test]
fn a_holder_is_one_line_that_names_the_code() {
    let lines = summary().lines(PLAIN);
    let expected =
        "  26.8 %  13.1 MB  20 000  Session in Map `sessions` (closure of rememberSession, server.js:12)";
    assert!(lines.iter().any(|line| line == expected), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("100 000  references in handle scopes")), "{lines:#?}");
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    assert!(at("handle scopes") < at("sessions"), "a root with absurdly many handles comes first");
}

#[test]
fn text_fits_the_terminal() {
    for width in [40, 80] {
        let lines = summary().lines(Page { width: Some(width), color: false });
        let longest = lines.iter().map(|line| line.chars().count()).max();
        assert!(longest <= Some(width), "{lines:#?}");
    }
}

#[test]
fn what_the_target_is_called_cannot_move_the_cursor() {
    let mut hostile = summary();
    hostile.holders[0].class = "\u{1b}[2J\u{202e}x".to_owned();
    hostile.source.title = "n\node".to_owned();
    assert!(hostile.lines(PLAIN).iter().all(|line| !line.contains(['\u{1b}', '\n', '\u{202e}'])));
    hostile.classes[0].name = "x".repeat(1 << 20);
    assert!(hostile.lines(PLAIN).iter().all(|line| line.chars().count() < 400));
}

#[test]
fn json_is_one_line_with_the_fields_of_the_contract() {
    let mut out = Vec::new();
    write_json(&summary(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches('\n').count(), 1);
    for part in [
        r#""schema":1,"type":"heap","pid":7"#,
        r#""isolate":0,"taken":"stopped","pause_us":12345"#,
        r#""garbage_bytes":null"#,
        r#""fn":"rememberSession","file":"/app/server.js","line":12"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let back: Summary = serde_json::from_str(&text).unwrap();
    assert_eq!(back, summary());
}

#[test]
fn figures_are_grouped_and_aligned() {
    assert_eq!((grouped(7).as_str(), grouped(1_234_567).as_str()), ("7", "1 234 567"));
    assert_eq!((signed(-1_000).as_str(), signed(0).as_str()), ("-1 000", "+0"));
    let rows = [(vec!["1".to_owned()], "a".to_owned()), (vec!["10".to_owned()], "b".to_owned())];
    assert_eq!(table(PLAIN, Some((&["n"], "what")), &rows), ["   n  what", "   1  a", "  10  b"]);
}

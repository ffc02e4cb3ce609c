//! What comes out, compared with what is checked in.

use std::{env, fs};

use crossterm::event::KeyCode;
use memwatch_user::report::{
    Sink,
    exit_status::{Job, Outcome},
    json::Json,
    lines::{Lines, Verbosity},
    live::{draw::draw, view::View},
    record::{Body, Level, Record},
    state::State,
    time::Time,
};
use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::{Buffer, Cell},
};
use serde_json::Value;

use crate::{golden_path, stream};

#[track_caller]
fn check(name: &str, actual: &str) {
    let path = golden_path(name);
    if env::var_os("MEMWATCH_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, actual).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{name}: MEMWATCH_BLESS=1 accepts what is there now");
}

fn written(verbosity: Verbosity, color: bool, records: &[Record]) -> String {
    let mut out = Vec::new();
    let mut lines = Lines::new(&mut out, verbosity, color);
    records.iter().try_for_each(|record| lines.record(record)).unwrap();
    lines.finish().unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn lines() {
    check("leak.txt", &written(Verbosity::Normal, false, &stream("leak.jsonl")));
    check("leak.quiet.color.txt", &written(Verbosity::Quiet, true, &stream("leak.jsonl")));
    check("fleet.verbose.txt", &written(Verbosity::Verbose, false, &stream("fleet.jsonl")));
}

#[test]
fn json_is_what_was_read() {
    for name in ["leak.jsonl", "fleet.jsonl"] {
        let mut out = Vec::new();
        let mut json = Json::new(&mut out);
        stream(name).iter().try_for_each(|record| json.record(record)).unwrap();
        let values =
            |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
        let read = fs::read_to_string(golden_path(name)).unwrap();
        assert_eq!(values(&String::from_utf8(out).unwrap()), values(&read), "{name}");
    }
}

#[test]
fn exit_status() {
    let without = |name, is_left_out: fn(&Record) -> bool| {
        stream(name).into_iter().filter(move |record| !is_left_out(record)).collect::<Vec<_>>()
    };
    let is_leak =
        |record: &Record| matches!(&record.body, Body::Verdict(verdict) if verdict.verdict == Level::Leak);
    let is_of_leaking = |record: &Record| record.subject.is_some_and(|subject| subject.pid == 2290);
    let cases = [
        ("a leak", stream("leak.jsonl"), Job::Done, 1),
        ("a leak beside others", stream("fleet.jsonl"), Job::Done, 1),
        ("a leak, and a failure", stream("leak.jsonl"), Job::Failed, 1),
        ("a failure", Vec::new(), Job::Failed, 2),
        ("inconclusive beside others", without("fleet.jsonl", is_of_leaking), Job::Done, 3),
        ("nothing worse than a suspicion", without("leak.jsonl", is_leak), Job::Done, 0),
        ("before the first verdict", stream("leak.jsonl")[..1].to_vec(), Job::Done, 3),
    ];
    for (what, records, job, expected) in cases {
        let mut outcome = Outcome::default();
        for record in &records {
            outcome.record(record);
        }
        assert_eq!(outcome.exit_status(job), expected, "{what}");
    }
}

/// What the live view shows after `records` and `keys`, `later_ms` after the last record.
fn frame(records: &[Record], keys: &str, later_ms: i64, (width, height): (u16, u16)) -> Buffer {
    let (mut state, mut view) = (State::default(), View::default());
    for record in records {
        state.record(record);
    }
    state.tick(Time::from_unix_ms(state.now.unix_ms() + later_ms));
    for key in keys.chars() {
        view.key(KeyCode::Char(key).into(), &state);
    }
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, &state, &view)).unwrap();
    terminal.backend().buffer().clone()
}

/// The text of a frame, without what is blank at the end of lines.
fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let rows = buffer.content.chunks(width).map(|row| row.iter().map(Cell::symbol).collect::<String>());
    rows.flat_map(|row| [row.trim_end().to_owned(), "\n".to_owned()]).collect()
}

/// Name, records, keys, milliseconds after the last record, size.
type Case<'a> = (&'a str, &'a [Record], &'a str, i64, (u16, u16));

#[test]
fn live_view() {
    let (leak, fleet) = (stream("leak.jsonl"), stream("fleet.jsonl"));
    let cases: &[Case] = &[
        ("leak.80x24.frame", &leak, "", 0, (80, 24)),
        ("leak.40x12.frame", &leak, "", 0, (40, 12)),
        ("leak.200x50.frame", &leak, "", 0, (200, 50)),
        ("leak.worker.80x24.frame", &leak, "l", 0, (80, 24)),
        ("leak.help.80x24.frame", &leak, "?", 0, (80, 24)),
        ("leak.paused.80x24.frame", &leak[..40], "p", 0, (80, 24)),
        ("waiting.80x24.frame", &leak[..1], "", 12_000, (80, 24)),
        ("nothing.80x24.frame", &[], "", 0, (80, 24)),
        ("fleet.80x24.frame", &fleet, "", 0, (80, 24)),
        ("fleet.40x12.frame", &fleet, "j", 0, (40, 12)),
        ("fleet.200x50.frame", &fleet, "k", 0, (200, 50)),
    ];
    for (name, records, keys, later_ms, size) in cases {
        check(name, &text(&frame(records, keys, *later_ms, *size)));
    }
}

#[test]
fn every_size_can_be_drawn() {
    let fleet = stream("fleet.jsonl");
    for (width, height) in [(1, 1), (2, 40), (300, 1), (12, 3), (20, 5), (39, 11), (80, 10), (500, 200)] {
        for keys in ["", "j", "?", "p"] {
            assert_eq!(frame(&fleet, keys, 0, (width, height)).area.width, width);
        }
    }
}

#[test]
fn nothing_a_target_says_reaches_the_terminal_as_it_is() {
    let fleet = stream("fleet.jsonl");
    let lines = written(Verbosity::Verbose, false, &fleet);
    let frames = ["", "j", "jj", "jjj"].map(|keys| text(&frame(&fleet, keys, 0, (200, 50))));
    for shown in frames.iter().chain([&lines]) {
        assert_eq!(
            shown.chars().find(|char| *char != '\n' && (char.is_control() || *char == '\u{202e}')),
            None
        );
    }
    assert!(lines.contains("\\u{1b}"));
}

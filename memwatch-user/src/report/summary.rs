//! The closing text: for each target what was found, why, and what to type next.

use std::fmt::Write as _;

use super::{
    color::Tone,
    describe::{self, verdict},
    record::{Body, Level, State as Feature, Verdict},
    state::{State, target::Target},
    text::join,
};
use crate::units::span;

/// How many targets get their paragraph; the rest, less alarming, are counted.
const PARAGRAPHS: usize = 12;
/// How many isolates of a target are told of where their collections start.
const ISOLATES: usize = 3;

/// What was found, in short paragraphs, the most alarming target first; empty if nothing was watched.
#[must_use]
pub fn summary(state: &State, color: bool) -> String {
    let mut out = String::new();
    let targets = state.by_trouble();
    for target in targets.iter().take(PARAGRAPHS) {
        paragraph(&mut out, target, color);
    }
    let rest = targets.len().saturating_sub(PARAGRAPHS) + state.forgotten;
    if rest > 0 {
        let others = if rest == 1 { "process" } else { "processes" };
        line(&mut out, &format!("\nand {rest} less alarming {others}"));
    }
    if let Some(bye) = &state.bye {
        let words = describe::body(&Body::Bye(bye.clone()), None).text;
        line(&mut out, &format!("\n{}", Tone::Dim.paint(words, color)));
    }
    out
}

fn line(out: &mut String, text: &str) {
    let _infallible = writeln!(out, "{text}");
}

fn paragraph(out: &mut String, target: &Target, color: bool) {
    let level = target.alarm().unwrap_or(Level::Inconclusive);
    let word = level.word().to_uppercase();
    let title =
        join([format!("{} {}", target.subject.pid, target.name()).trim().to_owned(), watched(target)]);
    line(out, &format!("\n{} {title}", verdict::tone(level).paint(word, color)));
    let mut verdicts: Vec<_> =
        target.verdicts.values().filter(|verdict| worth_saying(verdict, level)).collect();
    verdicts.sort_by_key(|verdict| std::cmp::Reverse(verdict.verdict));
    for verdict in verdicts {
        say(out, verdict, target.has_several_isolates());
    }
    collections(out, target);
    if target.verdicts.is_empty() {
        line(out, &format!("  no verdict: {}", too_little(target)));
    }
    if let Some((_, end)) = &target.ended {
        line(out, &format!("  {}", describe::end(end)));
    }
    if target.loss != crate::report::record::Loss::default() {
        line(out, &format!("  not seen: {}", describe::loss(&target.loss)));
    }
    next(out, target, level, color);
}

fn watched(target: &Target) -> String {
    let full: u64 = target.isolates.values().map(|isolate| isolate.full).sum();
    let other: u64 = target.isolates.values().map(|isolate| isolate.other).sum();
    let isolates = match target.isolates.len() {
        0 | 1 => String::new(),
        n => format!(" in {n} isolates"),
    };
    let for_s = super::state::seconds_between(target.first_seen, target.last_seen);
    format!("watched {}: {full} full and {other} other collections{isolates}", span(for_s))
}

/// Everything at the level of the worst, and whatever is at least `growing`.
fn worth_saying(verdict: &Verdict, worst: Level) -> bool {
    verdict.verdict == worst || verdict.verdict >= Level::Growing || verdict.verdict == Level::Inconclusive
}

fn say(out: &mut String, verdict: &Verdict, several: bool) {
    line(
        out,
        &format!(
            "  {}",
            join([headline(verdict, several), verdict::time_left(verdict), verdict::confidence(verdict)])
        ),
    );
    for reason in verdict::reasons(verdict) {
        line(out, &format!("    - {reason}"));
    }
}

/// `JavaScript heap of isolate 2: leak, +11.7 MB/h (10.9 … 12.5 MB/h)`.
fn headline(verdict: &Verdict, several: bool) -> String {
    let speed = verdict::speed(verdict);
    let comma = if speed.is_empty() { "" } else { ", " };
    format!("{}: {}{comma}{speed}", verdict::subject(verdict, several), verdict.verdict.word())
}

/// Where collections start, of the isolates that stood still for the longest.
fn collections(out: &mut String, target: &Target) {
    let mut isolates: Vec<_> = target
        .isolates
        .values()
        .filter_map(|isolate| Some((isolate.serial, isolate.starts.as_ref()?)))
        .collect();
    isolates.sort_by_key(|(_, starts)| std::cmp::Reverse(starts.all.pause_us));
    for (serial, starts) in isolates.into_iter().take(ISOLATES) {
        let brief = describe::starts::brief(starts);
        if !brief.is_empty() {
            let of =
                if target.has_several_isolates() { format!(" of isolate {serial}") } else { String::new() };
            line(out, &format!("  collections{of} start: {brief}"));
        }
    }
}

fn too_little(target: &Target) -> &'static str {
    if target.hello.as_ref().is_some_and(|hello| matches!(hello.features.gc, Feature::Off(_))) {
        "collections of this process cannot be seen"
    } else if target.isolates.values().all(|isolate| isolate.full == 0) {
        "no full collection happened while we watched"
    } else {
        "watched too short"
    }
}

fn next(out: &mut String, target: &Target, level: Level, color: bool) {
    if target.ended.is_some() {
        return;
    }
    let pid = target.subject.pid;
    let mut command = |why: &str, options: &str| {
        let command = format!("memwatch-bpf {options}");
        line(out, &format!("  {why}: {}", Tone::Strong.paint(command, color)));
    };
    match level {
        Level::Leak | Level::Suspect | Level::Growing => {
            command("to keep every record of it", &format!("--pid {pid} --json > {pid}.jsonl"));
        }
        Level::Inconclusive => command("to watch it for longer", &format!("--pid {pid} --duration 30m")),
        Level::Stable => {}
    }
    if target.hello.as_ref().is_some_and(|hello| matches!(hello.features.gc, Feature::Off(_))) {
        command("to see what is in the way", &format!("doctor --pid {pid}"));
    }
}

//! The closing text: of each target a paragraph that can be pasted into a message. What was found, how fast, how long is
//! left, where it comes from, the strongest reasons, and what to type next.

use std::fmt::Write as _;

use super::{
    color::Tone,
    describe::{self, resident, verdict},
    record::{Kind, Level, State as Feature, Verdict},
    state::{
        State, seconds_between,
        target::{Target, is_harmless},
    },
    text::join,
};
use crate::units::{percent, span, things};

/// How many targets get their paragraph; the rest, less alarming, are counted.
const PARAGRAPHS: usize = 12;
/// How many kinds without a verdict are named; more are counted.
const NAMED: usize = 3;
/// Share of the time in collections from which it is said where they start.
const MUCH_GC: f64 = 0.05;

/// What was found, in short paragraphs, the most alarming target first; empty if nothing was watched.
#[must_use]
pub(crate) fn summary(state: &State, color: bool) -> String {
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
        line(&mut out, &format!("\n{}", Tone::Dim.paint(describe::bye(bye), color)));
    }
    out
}

fn line(out: &mut String, text: &str) {
    let _infallible = writeln!(out, "{text}");
}

/// A line below the title, if there is anything to say.
fn item(out: &mut String, text: &str) {
    if !text.is_empty() {
        line(out, &format!("  {text}"));
    }
}

fn paragraph(out: &mut String, target: &Target, color: bool) {
    let level = target.alarm().unwrap_or(Level::Inconclusive);
    let word = verdict::tone(level).paint(level.word().to_uppercase(), color);
    let who = format!("{} {}", target.subject.pid, target.name());
    line(out, &format!("\n{word} {}, {}", who.trim(), watched(target)));
    for verdict in worth_saying(target) {
        say(out, verdict, level, target.has_several_isolates());
    }
    item(out, &not_judged(target));
    item(out, &resident_set(target));
    item(out, &collections(target));
    item(out, &ended(target));
    item(out, &not_seen(target));
    next(out, target, level, color);
}

fn watched(target: &Target) -> String {
    format!("watched {}", span(seconds_between(target.first_seen, target.last_seen)))
}

/// All alarms, the most alarming and fastest first; without any, the verdict that the process is called by.
fn worth_saying(target: &Target) -> Vec<&Verdict> {
    let alarms = target.verdicts.values().filter(|verdict| verdict.verdict >= Level::Suspect);
    let mut alarms: Vec<_> = alarms.filter(|verdict| !is_harmless(verdict)).collect();
    let rate = |verdict: &Verdict| verdict.rate_per_hour.unwrap_or(0.0);
    alarms.sort_by(|a, b| b.verdict.cmp(&a.verdict).then(rate(b).total_cmp(&rate(a))));
    if alarms.is_empty() { target.worst().into_iter().collect() } else { alarms }
}

/// `level` is the title's, which need not be said again.
fn say(out: &mut String, verdict: &Verdict, level: Level, several: bool) {
    let claim = if verdict.verdict == level { verdict::claim } else { verdict::line };
    item(out, &claim(verdict, several));
    for place in verdict::places(verdict) {
        item(out, &format!("  where: {place}"));
    }
    for reason in verdict::strongest(verdict) {
        item(out, &format!("  why: {reason}"));
    }
}

/// What there is no verdict on, in one phrase.
fn not_judged(target: &Target) -> String {
    if target.verdicts.is_empty() {
        return format!("no verdict: {}", too_little(target));
    }
    let said = worth_saying(target);
    let open = target.verdicts.values().filter(|verdict| verdict.verdict == Level::Inconclusive);
    let open: Vec<_> = open.filter(|verdict| !said.contains(verdict)).collect();
    match open.len() {
        0 => String::new(),
        n if n > NAMED => format!("inconclusive: {n} others"),
        _ => {
            let names = open.iter().map(|verdict| verdict::subject(verdict, target.has_several_isolates()));
            format!("inconclusive: {}", names.collect::<Vec<_>>().join(", "))
        }
    }
}

fn resident_set(target: &Target) -> String {
    let change = target.memory_at_first.as_ref().zip(target.memory.as_ref());
    change.and_then(|(first, last)| resident::change_of(first, last)).unwrap_or_default()
}

/// How many collections of how many isolates; where they start, if they take much of the time.
fn collections(target: &Target) -> String {
    let full: u64 = target.isolates.values().map(|isolate| isolate.full).sum();
    let other: u64 = target.isolates.values().map(|isolate| isolate.other).sum();
    let isolates = match target.isolates.len() {
        0 | 1 => String::new(),
        n => format!(" in {n} isolates"),
    };
    let gone = match target.isolates_gone {
        0 => String::new(),
        n => format!("{} came and went", things(n as u64, "isolate")),
    };
    let counted = things(full, "full collection");
    join([format!("{counted}, {other} other{isolates}"), gone, starts(target)])
}

/// Of the isolate that spends the largest share of its time in collections.
fn starts(target: &Target) -> String {
    let share = |isolate: &&super::state::isolate::Isolate| {
        isolate.stats.as_ref().map_or(0.0, |stats| stats.gc_share)
    };
    let worst = target.isolates.values().max_by(|a, b| share(a).total_cmp(&share(b)));
    let worst = worst.filter(|isolate| share(isolate) >= MUCH_GC);
    let brief = worst.and_then(|isolate| Some((isolate, describe::starts::brief(isolate.starts.as_ref()?))));
    brief.map_or_else(String::new, |(isolate, brief)| {
        format!("{} of the time; {brief}", percent(share(&isolate)))
    })
}

fn ended(target: &Target) -> String {
    match (&target.ended, &target.memory) {
        (Some((_, end)), _) => describe::end(end),
        (None, Some(memory)) if memory.suspended => {
            "the process is stopped: nothing changes until it goes on".to_owned()
        }
        _ => String::new(),
    }
}

/// Losses, and how often sampling was adjusted: `-v` has each.
fn not_seen(target: &Target) -> String {
    let counted = describe::losses(&target.loss);
    let counted = counted.map_or_else(String::new, |counted| format!("not seen: {counted}"));
    let adjusted = match target.decisions {
        0 => String::new(),
        n => format!("sampling adjusted {}", things(n, "time")),
    };
    join([counted, adjusted])
}

fn too_little(target: &Target) -> &'static str {
    if target.hello.as_ref().is_some_and(|hello| matches!(hello.features.gc, Feature::Off(_))) {
        "collections of this process cannot be seen"
    } else if target.isolates.values().all(|isolate| isolate.full == 0) {
        "no full collection happened while it was watched"
    } else {
        "not watched long enough"
    }
}

/// What most of the growth consists of, if that is known and its name can stand between quotes on a command line.
fn held_class<'v>(alarms: &[&'v Verdict]) -> Option<&'v str> {
    let class = alarms.iter().find_map(|verdict| verdict.holders.first())?.class.as_str();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " {},_$#".contains(c);
    class.chars().all(is_plain).then_some(class)
}

fn next(out: &mut String, target: &Target, level: Level, color: bool) {
    if target.ended.is_some() {
        return;
    }
    let pid = target.subject.pid;
    let mut command = |why: &str, options: &str| {
        let command = format!("memwatch-bpf {options}");
        item(out, &format!("{why}: {}", Tone::Strong.paint(command, color)));
    };
    match level {
        Level::Leak | Level::Suspect | Level::Growing => {
            let alarms = worth_saying(target);
            if let Some(class) = held_class(&alarms) {
                command("to see why these are alive", &format!("heap paths '{class}' --pid {pid}"));
            } else if alarms.iter().any(|verdict| verdict.kind == Kind::JsHeap) {
                command("to see what grows and who holds it", &format!("heap diff --pid {pid}"));
            }
            command("to keep every record", &format!("--pid {pid} --json > {pid}.jsonl"));
        }
        Level::Inconclusive => command("to watch it for longer", &format!("--pid {pid} --duration 30m")),
        Level::Stable => {}
    }
    if target.hello.as_ref().is_some_and(|hello| matches!(hello.features.gc, Feature::Off(_))) {
        command("to see what is in the way", &format!("doctor --pid {pid}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_goes_onto_a_command_line_only_if_nothing_in_it_is_obeyed_there() {
        let held = |class: &str| {
            let holder = serde_json::json!({"share": 1.0, "bytes": 9, "count": 9, "class": class, "place": "Map `a`",
                "fn": null, "file": null, "line": null, "taken": "running"});
            let json = serde_json::json!({"isolate": 1, "verdict": "leak", "kind": "js-heap", "rate_bytes_per_hour": 1.0,
                "rate_interval": null, "since": "2026-03-02T23:10:00Z", "confidence": null, "time_to_exhaustion_s": null,
                "exhausts": null, "evidence": [], "sites": [], "holders": [holder]});
            let verdict: Verdict = serde_json::from_value(json).unwrap();
            held_class(&[&verdict]).map(str::to_owned)
        };
        assert_eq!(held("Object {id, at}").as_deref(), Some("Object {id, at}"));
        for hostile in ["a'; reboot; '", "$(x)", "a\nb", "Object {…}"] {
            assert_eq!(held(hostile), None, "{hostile}");
        }
    }
}

//! What we make of it: the line to read first, what is left, and why.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Widget,
};

use super::style::{DIM, PLAIN, STRONG, cut, fit, tone};
use crate::report::{
    color::Tone,
    describe::{starts::brief, verdict as words},
    lines::clock,
    record::{Level, Verdict},
    state::{
        isolate::Isolate,
        target::{Target, is_harmless},
    },
};

/// Of the target, and of one of its isolates where its collections start.
pub(super) fn render(target: &Target, isolate: Option<&Isolate>, area: Rect, buffer: &mut Buffer) {
    let lines = target.worst().map_or_else(|| waiting(target), |verdict| said(target, verdict, area.width));
    let starts = isolate.and_then(|isolate| starts(isolate, area.width));
    for (line, row) in lines.into_iter().chain(starts).zip(area.rows()) {
        line.render(row, buffer);
    }
}

/// The verdict's name on a ground of its colour.
fn badge(text: &str, style: Style) -> Span<'static> {
    Span::styled(format!(" {text} "), style.add_modifier(Modifier::REVERSED | Modifier::BOLD))
}

fn waiting(target: &Target) -> Vec<Line<'static>> {
    let full: u64 = target.isolates.values().map(|isolate| isolate.full).sum();
    let seen = format!(" no verdict yet: {full} full collections seen");
    let word = if target.ended.is_some() { "NO VERDICT" } else { "WATCHING" };
    let why = "a verdict is made from the heap after full collections";
    vec![Line::from(vec![badge(word, DIM), Span::styled(seen, PLAIN)]), Line::styled(why, DIM)]
}

fn said(target: &Target, verdict: &Verdict, width: u16) -> Vec<Line<'static>> {
    let badge = badge(&verdict.verdict.word().to_uppercase(), tone(words::tone(verdict.verdict)));
    let left = width.saturating_sub(u16::try_from(badge.width()).unwrap_or(width) + 1);
    let mut first = Line::from(vec![badge, Span::raw(" ")]);
    first.spans.extend(
        fit(
            [
                (words::subject(verdict, target.has_several_isolates()), STRONG),
                (words::speed(verdict), STRONG),
            ],
            left,
        )
        .spans,
    );
    let time_left = words::time_left(verdict);
    let urgent = if verdict.verdict >= Level::Suspect { Tone::Bad } else { Tone::Plain };
    let second = [
        (time_left, tone(urgent)),
        (words::confidence(verdict), PLAIN),
        (format!("since {}", clock(verdict.since)), PLAIN),
        (others(target, verdict), tone(Tone::Warn)),
    ];
    let line = |text: String, style| Line::styled(cut(format!("- {text}"), usize::from(width)), style);
    // What one acts on, and why one should.
    let places = words::places_within(verdict, usize::from(width).saturating_sub(2));
    let places = places.map(|place| line(place, PLAIN));
    let reasons = words::strongest(verdict).into_iter().map(|reason| line(reason, DIM));
    [first, fit(second, width)].into_iter().chain(places).chain(reasons).collect()
}

fn starts(isolate: &Isolate, width: u16) -> Option<Line<'static>> {
    let brief = brief(isolate.starts.as_ref()?);
    let line = || Line::styled(cut(format!("- collections start: {brief}"), usize::from(width)), DIM);
    (!brief.is_empty()).then(line)
}

/// `also: file descriptors leak`: the other alarms.
fn others(target: &Target, shown: &Verdict) -> String {
    let is_alarm =
        |verdict: &&Verdict| verdict.verdict >= Level::Suspect && !is_harmless(verdict) && *verdict != shown;
    let name = |verdict: &Verdict| {
        format!("{} {}", words::subject(verdict, target.has_several_isolates()), verdict.verdict.word())
    };
    let named: Vec<_> = target.verdicts.values().filter(is_alarm).map(name).collect();
    if named.is_empty() { String::new() } else { format!("also: {}", named.join(", ")) }
}

//! What happened lately; keys, and what was not seen.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Modifier,
    text::{Line, Span},
    widgets::Widget,
};

use super::{
    style::{DIM, PLAIN, STRONG, cut, fit, section, tone},
    view::View,
};
use crate::report::{
    color::Tone,
    describe,
    lines::clock,
    record::Loss,
    state::{
        State,
        target::{Event, Target},
    },
};
use crate::units::bytes;

pub(super) fn events(target: &Target, area: Rect, buffer: &mut Buffer) {
    let block = section(Line::styled(" lately ", STRONG));
    let inner = block.inner(area);
    block.render(area, buffer);
    let hidden = target.events.len().saturating_sub(inner.height.into());
    for (event, row) in target.events.iter().skip(hidden).zip(inner.rows()) {
        line(event, target.has_several_isolates(), row.width).render(row, buffer);
    }
}

fn line(event: &Event, several: bool, width: u16) -> Line<'static> {
    let isolate = event.isolate.filter(|_| several).map_or_else(String::new, |isolate| format!("/{isolate}"));
    let head = Span::styled(format!("{} {}{isolate} ", clock(event.ts), event.line.tag), DIM);
    let left = usize::from(width).saturating_sub(head.width());
    let text = Span::styled(cut(event.line.text.clone(), left), tone(event.line.tone));
    Line::from(vec![head, text])
}

pub(super) fn render(state: &State, view: &View, target: Option<&Target>, area: Rect, buffer: &mut Buffer) {
    let keys = keys(state, view, target);
    let right = fit([seen(target), own(state)], area.width.saturating_sub(width(&keys) + 2)).right_aligned();
    right.render(area, buffer);
    keys.render(area, buffer);
}

fn width(line: &Line<'_>) -> u16 {
    u16::try_from(line.width()).unwrap_or(u16::MAX)
}

fn keys(state: &State, view: &View, target: Option<&Target>) -> Line<'static> {
    let mut keys =
        vec![("q", "quit"), ("?", "help"), ("p", if view.frozen.is_some() { "go on" } else { "pause" })];
    if target.is_some_and(|target| target.isolates.len() > 1) {
        keys.push(("←→", "isolate"));
    }
    if state.targets.len() > 1 {
        keys.push(("↑↓", "process"));
    }
    let mut line = Line::default();
    if view.frozen.is_some() {
        let style = tone(Tone::Warn).add_modifier(Modifier::REVERSED);
        line.spans.extend([Span::styled(format!(" PAUSED {} ", clock(state.now)), style), Span::raw(" ")]);
    }
    let items = keys
        .into_iter()
        .flat_map(|(key, what)| [Span::styled(key, STRONG), Span::styled(format!(" {what}  "), DIM)]);
    line.spans.extend(items);
    line
}

fn seen(target: Option<&Target>) -> (String, ratatui::style::Style) {
    let Some(target) = target else { return (String::new(), PLAIN) };
    let complete = Loss { unmatched: 0, mended: 0, reasons: target.loss.reasons.clone(), ..target.loss }
        == Loss { reasons: target.loss.reasons.clone(), ..Loss::default() };
    let counted = describe::losses(&target.loss).unwrap_or_else(|| "nothing lost".to_owned());
    (counted, if complete { DIM } else { tone(Tone::Warn) })
}

fn own(state: &State) -> (String, ratatui::style::Style) {
    let Some(own) = state.own else { return (String::new(), PLAIN) };
    let share = 100.0 * own.cpu_s / state.watched_s().max(1.0);
    let rss = own.rss.map_or_else(String::new, |rss| format!(", {}", bytes(rss)));
    (format!("own {share:.1} % CPU{rss}"), DIM)
}

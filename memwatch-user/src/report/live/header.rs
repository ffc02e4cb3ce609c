//! Who is watched: two lines.

use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget};

use super::style::{DIM, PLAIN, STRONG, fit, tone};
use crate::report::{
    color::Tone,
    describe::{self, hello},
    record::{Hello, State},
    state::{seconds_between, target::Target},
    time::Time,
};
use crate::units::span;

pub(super) fn render(target: &Target, now: Time, area: Rect, buffer: &mut Buffer) {
    let lines = [first(target, area.width), second(target, now, area.width)];
    for (line, row) in lines.into_iter().zip(area.rows()) {
        line.render(row, buffer);
    }
}

fn about(target: &Target, text: fn(&Hello) -> String) -> String {
    target.hello.as_ref().map_or_else(String::new, text)
}

fn first(target: &Target, width: u16) -> ratatui::text::Line<'static> {
    let name = format!("{} {}", target.subject.pid, target.name()).trim_end().to_owned();
    let end = target.ended.as_ref().map_or_else(String::new, |(_, end)| describe::end(end));
    let versions = about(target, hello::versions);
    let container = about(target, hello::container);
    fit([(name, STRONG), (end, tone(Tone::Bad)), (versions, PLAIN), (container, PLAIN)], width)
}

fn second(target: &Target, now: Time, width: u16) -> ratatui::text::Line<'static> {
    let watched = format!("watched {}", span(seconds_between(target.first_seen, target.until(now))));
    let memory = target.memory.as_ref().map_or_else(String::new, describe::totals);
    let off = about(target, |hello| hello::off(&hello.features));
    let blind = target.hello.as_ref().is_some_and(|hello| hello.features.gc != State::On);
    // What this version does not offer can wait; that collections cannot be seen cannot.
    let pieces =
        if blind { [(off, tone(Tone::Warn)), (memory, PLAIN)] } else { [(memory, PLAIN), (off, DIM)] };
    fit([(watched, PLAIN)].into_iter().chain(pieces), width)
}

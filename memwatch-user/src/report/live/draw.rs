//! State and view to a frame: which part goes where, and what gives way on a small screen.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::Line,
    widgets::Widget,
};

use super::{
    chart, footer, header, help, isolates, memory,
    style::{DIM, STRONG},
    targets, verdict,
    view::View,
};
use crate::report::{
    describe::verdict as words,
    state::{State, target::Target},
};

/// Draws what `view` shows of `state`.
pub fn draw(frame: &mut Frame<'_>, state: &State, view: &View) {
    let state = view.shown(state);
    let area = frame.area();
    if let Some(target) = view.target(state) {
        body(frame, state, view, target);
    } else {
        nobody(frame, state, view);
    }
    if view.help {
        help::render(area, frame.buffer_mut());
    }
}

/// With `--all` or `--name` there may be nobody to watch yet.
fn nobody(frame: &mut Frame<'_>, state: &State, view: &View) {
    let (area, buffer) = (frame.area(), frame.buffer_mut());
    Line::styled("memwatch-bpf", STRONG).render(area, buffer);
    let middle = area.centered_vertically(Constraint::Length(1));
    Line::styled("waiting for a process to watch", DIM).centered().render(middle, buffer);
    let [_, bottom] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    footer::render(state, view, None, bottom, buffer);
}

fn body(frame: &mut Frame<'_>, state: &State, view: &View, target: &Target) {
    let isolate = view.isolate(target);
    let parts = Parts::of(frame.area(), state.targets.len(), target);
    let buffer = frame.buffer_mut();
    header::render(target, state.now, parts.header, buffer);
    if !parts.targets.is_empty() {
        targets::render(&state.by_trouble(), target, parts.targets, buffer);
    }
    verdict::render(target, isolate, parts.verdict, buffer);
    match isolate.filter(|isolate| isolate.history.start().is_some()) {
        Some(isolate) => chart::render(isolate, target.until(state.now), parts.chart, buffer),
        None => chart::render_waiting(target, state.now, parts.chart, buffer),
    }
    if let Some(of) = target.memory.as_ref().filter(|_| !parts.memory.is_empty()) {
        memory::render(of, parts.memory, buffer);
    }
    if !parts.isolates.is_empty() {
        isolates::render(target, isolate.map(|isolate| isolate.serial), parts.isolates, buffer);
    }
    if !parts.events.is_empty() {
        footer::events(target, parts.events, buffer);
    }
    footer::render(state, view, Some(target), parts.footer, buffer);
}

/// Where each part goes; empty if there is no room for it.
struct Parts {
    targets: Rect,
    header: Rect,
    verdict: Rect,
    chart: Rect,
    memory: Rect,
    isolates: Rect,
    events: Rect,
    footer: Rect,
}

impl Parts {
    fn of(area: Rect, n_targets: usize, target: &Target) -> Self {
        let height = area.height;
        let at_most = |n: usize, most: u16| u16::try_from(n).unwrap_or(most).min(most);
        let list =
            if n_targets > 1 && height >= 10 { 1 + at_most(n_targets, (height / 6).max(2)) } else { 0 };
        let header = if height >= 14 { 2 } else { 1 };
        // The last line is for where collections start.
        let has_starts = target.isolates.values().any(|isolate| isolate.starts.is_some());
        let reasons =
            target.worst().map_or(0, |verdict| words::brief(verdict).len()) + usize::from(has_starts);
        let verdict = 2 + at_most(reasons, height.saturating_sub(16) / 6);
        let has_parts = target.memory.as_ref().is_some_and(memory::has_parts);
        let memory = if height >= 16 && has_parts { memory::HEIGHT } else { 0 };
        let rows = if height >= 10 { at_most(target.isolates.len(), height / 8) } else { 0 };
        let isolates = if rows == 0 { 0 } else { rows + 1 };
        let events = if height >= 18 && !target.events.is_empty() {
            1 + at_most(target.events.len(), (height / 8).min(8))
        } else {
            0
        };
        let heights = [list, header, verdict].map(Constraint::Length).into_iter();
        let heights =
            heights.chain([Constraint::Fill(1)]).chain([memory, isolates, events, 1].map(Constraint::Length));
        let [targets, header, verdict, chart, memory, isolates, events, footer] =
            Layout::vertical(heights).areas(area);
        Self { targets, header, verdict, chart, memory, isolates, events, footer }
    }
}

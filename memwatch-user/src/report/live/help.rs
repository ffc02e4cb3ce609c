//! What the keys do and what the words mean, over everything else.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, Borders, Clear, Padding, Paragraph, Widget},
};

use super::style::STRONG;

const TEXT: [(&str, &str); 19] = [
    ("q Esc Ctrl-C", "quit; the summary stays on the terminal"),
    ("↑ ↓ Tab j k", "choose the process"),
    ("← → h l", "choose the isolate"),
    ("p Space", "stop and go on drawing; watching goes on"),
    ("", ""),
    ("full/rest", "full collections (mark-compact), and all others"),
    ("base", "heap after a full collection: what is alive"),
    ("heap", "up by allocation, down by collections"),
    ("used", "heap after the last collection, of its limit"),
    ("in gc", "share of the time spent in collections"),
    ("trend", "recent base against the long-term one"),
    ("", ""),
    ("inconclusive", "not watched long enough, or too much was lost"),
    ("stable", "it does not grow"),
    ("growing", "it grows, and may well stop"),
    ("suspect", "it grows the way leaks do"),
    ("leak", "it leaks"),
    ("", ""),
    ("", "Sizes are decimal, times are UTC."),
];

pub(super) fn render(area: Rect, buffer: &mut Buffer) {
    let lines: Vec<_> = TEXT
        .iter()
        .map(|(word, meaning)| {
            Line::from(vec![Span::styled(format!("{word:<14}"), STRONG), Span::raw(*meaning)])
        })
        .collect();
    let height = u16::try_from(TEXT.len()).unwrap_or(u16::MAX) + 2;
    let popup = area.centered(
        ratatui::layout::Constraint::Length(64.min(area.width)),
        ratatui::layout::Constraint::Length(height.min(area.height)),
    );
    Clear.render(popup, buffer);
    let block = Block::new().borders(Borders::ALL).title(" help ").padding(Padding::horizontal(1));
    Paragraph::new(lines).block(block).render(popup, buffer);
}

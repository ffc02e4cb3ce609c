//! Tables that drop their least important columns when the screen is narrow.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Rect},
    style::{Modifier, Style},
    text::Line,
    widgets::{Cell, Row, Table, Widget},
};

use super::style::{DIM, Piece, cut};

/// One column of a table over `T`.
pub(super) struct Column<T> {
    pub(super) title: &'static str,
    pub(super) width: u16,
    /// Numbers stand on the right, text on the left.
    pub(super) right: bool,
    /// Columns with the highest are dropped first; 0 stays.
    pub(super) rank: u8,
    pub(super) cell: fn(&T) -> Piece,
}

/// Draws as many columns as fit; row `selected` is marked.
pub(super) fn table<T>(columns: &[Column<T>], rows: &[T], selected: usize, area: Rect, buffer: &mut Buffer) {
    let columns = fitting(columns, area.width);
    let header = Row::new(columns.iter().map(|column| cell(column, (column.title.to_owned(), DIM))));
    let visible = usize::from(area.height.saturating_sub(1));
    // The selected row is always on the screen.
    let first = (selected + 1).saturating_sub(visible);
    let body = rows.iter().enumerate().skip(first).take(visible).map(|(at, row)| {
        let style = if at == selected { Style::new().add_modifier(Modifier::BOLD) } else { Style::new() };
        Row::new(columns.iter().map(|column| cell(column, (column.cell)(row)))).style(style)
    });
    let widths = columns.iter().map(|column| Constraint::Length(column.width));
    Table::new(body, widths).header(header).column_spacing(1).render(area, buffer);
}

fn cell<T>(column: &Column<T>, (text, style): Piece) -> Cell<'static> {
    let line = Line::styled(cut(text, usize::from(column.width)), style);
    Cell::from(if column.right { line.right_aligned() } else { line })
}

fn fitting<T>(columns: &[Column<T>], width: u16) -> Vec<&Column<T>> {
    let mut kept: Vec<_> = columns.iter().collect();
    while total(&kept) > width {
        let Some(rank) = kept.iter().map(|column| column.rank).max().filter(|rank| *rank > 0) else { break };
        kept.retain(|column| column.rank != rank);
    }
    kept
}

fn total<T>(columns: &[&Column<T>]) -> u16 {
    columns.iter().map(|column| column.width + 1).sum::<u16>().saturating_sub(1)
}

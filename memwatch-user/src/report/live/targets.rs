//! One row a process, the most alarming first.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    columns::{Column, table},
    style::{DIM, PLAIN, Piece, tone},
};
use crate::report::{
    describe::{self, verdict},
    state::{isolate::Isolate, target::Target},
};
use crate::units::bytes;

struct Row<'a> {
    target: &'a Target,
    selected: bool,
}

pub(super) fn render(targets: &[&Target], selected: &Target, area: Rect, buffer: &mut Buffer) {
    let rows: Vec<_> =
        targets.iter().map(|&target| Row { target, selected: target.subject == selected.subject }).collect();
    let at = rows.iter().position(|row| row.selected).unwrap_or(0);
    let columns = [
        Column { title: "  pid", width: 10, right: false, rank: 0, cell: pid },
        Column { title: "verdict", width: 12, right: false, rank: 0, cell: level },
        Column { title: "of", width: 17, right: false, rank: 5, cell: kind },
        Column { title: "growth", width: 12, right: true, rank: 2, cell: growth },
        Column { title: "base", width: 9, right: true, rank: 3, cell: base },
        Column { title: "full", width: 5, right: true, rank: 6, cell: full },
        Column { title: " process", width: area.width.clamp(40, 120) / 3, right: false, rank: 1, cell: name },
    ];
    table(&columns, &rows, at, area, buffer);
}

fn pid(row: &Row<'_>) -> Piece {
    let mark = if row.selected { "▸" } else { " " };
    (format!("{mark} {}", row.target.subject.pid), PLAIN)
}

fn level(row: &Row<'_>) -> Piece {
    let none = if row.target.ended.is_some() { "no verdict" } else { "watching" };
    row.target
        .alarm()
        .map_or_else(|| (none.to_owned(), DIM), |level| (level.word().to_owned(), tone(verdict::tone(level))))
}

fn kind(row: &Row<'_>) -> Piece {
    let kind = row.target.worst().map(|verdict| verdict::kind_words(verdict.kind));
    (kind.unwrap_or_default().to_owned(), PLAIN)
}

fn growth(row: &Row<'_>) -> Piece {
    (row.target.worst().and_then(verdict::rate_alone).unwrap_or_default(), PLAIN)
}

fn base(row: &Row<'_>) -> Piece {
    let bases: Vec<_> = alive(row.target).filter_map(Isolate::base).collect();
    (if bases.is_empty() { "–".to_owned() } else { bytes(bases.iter().sum()) }, PLAIN)
}

fn full(row: &Row<'_>) -> Piece {
    (row.target.isolates.values().map(|isolate| isolate.full).sum::<u64>().to_string(), PLAIN)
}

fn alive(target: &Target) -> impl Iterator<Item = &Isolate> {
    target.isolates.values().filter(|isolate| !isolate.gone)
}

fn name(row: &Row<'_>) -> Piece {
    let name = row.target.name();
    match &row.target.ended {
        Some((_, end)) => (format!(" {name}: {}", describe::end(end)), DIM),
        None => (format!(" {name}"), PLAIN),
    }
}

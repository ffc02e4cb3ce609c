//! One row a process, the most alarming first.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::Line,
    widgets::Widget,
};

use super::{
    columns::{Column, table},
    style::{DIM, PLAIN, Piece, tone},
};
use crate::report::{
    describe::{self, kind::kind_words, verdict},
    record::Level,
    state::{isolate::Isolate, target::Target},
};
use crate::units::bytes;

struct Row<'a> {
    target: &'a Target,
    selected: bool,
}

pub(super) fn render(targets: &[&Target], selected: &Target, area: Rect, buffer: &mut Buffer) {
    let at = targets.iter().position(|target| target.subject == selected.subject).unwrap_or(0);
    let alarms = targets.iter().filter(|target| target.alarm() >= Some(Level::Suspect)).count();
    let shown = shown(targets.len(), alarms, at, usize::from(area.height.saturating_sub(1)));
    let rows: Vec<_> = shown.iter().map(|&i| Row { target: targets[i], selected: i == at }).collect();
    let hidden = targets.len() - rows.len();
    let [area, below] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(u16::from(hidden > 0))]).areas(area);
    if hidden > 0 {
        Line::styled(format!("  +{hidden} more"), DIM).render(below, buffer);
    }
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

/// Which of `n` rows are shown where there is room for `room` lines: alarms stay on top, `selected` is in sight, and the last
/// line is for how many are not shown.
fn shown(n: usize, alarms: usize, selected: usize, room: usize) -> Vec<usize> {
    if n <= room || room < 2 {
        return (0..n.min(room.max(1))).collect();
    }
    let room = room - 1;
    let pinned = alarms.min(room - 1);
    let rest = room - pinned;
    let first = (selected + 1).saturating_sub(rest).clamp(pinned, n - rest);
    (0..pinned).chain(first..first + rest).collect()
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
    let kind = row.target.worst().map(|verdict| kind_words(verdict.kind));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_stay_on_top_and_the_selected_row_is_in_sight() {
        for ((n, alarms, selected, room), expected) in [
            ((3, 1, 0, 4), &[0, 1, 2][..]),
            ((6, 2, 0, 5), &[0, 1, 2, 3]),
            ((6, 2, 5, 5), &[0, 1, 4, 5]),
            ((6, 6, 5, 5), &[0, 1, 2, 5]),
            ((6, 0, 3, 5), &[0, 1, 2, 3]),
            ((6, 0, 0, 1), &[0]),
        ] {
            assert_eq!(shown(n, alarms, selected, room), expected, "{n} {alarms} {selected} {room}");
        }
    }
}

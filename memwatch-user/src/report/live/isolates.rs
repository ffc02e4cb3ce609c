//! One row an isolate.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{
    columns::{Column, table},
    style::{DIM, PLAIN, Piece, tone},
};
use crate::report::{
    color::Tone,
    describe::verdict,
    state::{isolate::Isolate, target::Target},
};
use crate::units::{bytes, change, percent};

struct Row<'a> {
    isolate: &'a Isolate,
    target: &'a Target,
    selected: bool,
}

pub(super) fn render(target: &Target, selected: Option<u32>, area: Rect, buffer: &mut Buffer) {
    let rows: Vec<_> = target
        .isolates
        .values()
        .map(|isolate| Row { isolate, target, selected: Some(isolate.serial) == selected })
        .collect();
    let at = rows.iter().position(|row| row.selected).unwrap_or(0);
    table(&columns(), &rows, at, area, buffer);
}

const fn column<'a>(
    title: &'static str,
    width: u16,
    rank: u8,
    cell: fn(&Row<'a>) -> Piece,
) -> Column<Row<'a>> {
    Column { title, width, right: true, rank, cell }
}

fn columns<'a>() -> [Column<Row<'a>>; 12] {
    [
        Column { right: false, ..column(" isolate", 9, 0, name) },
        column("thread", 8, 10, |row| (row.isolate.thread.to_string(), PLAIN)),
        column("full/rest", 9, 4, |row| (format!("{}/{}", row.isolate.full, row.isolate.other), PLAIN)),
        column("last collection", 16, 3, last),
        column("base", 8, 1, |row| (row.isolate.base().map_or_else(dash, bytes), PLAIN)),
        column("min … max base", 19, 12, range),
        column("limit", 9, 11, |row| (row.isolate.heap_limit.map_or_else(dash, bytes), PLAIN)),
        column("used", 5, 5, used),
        column("p50/p99/max", 13, 6, pauses),
        column("in gc", 5, 7, share),
        column("trend", 7, 2, trend),
        Column { right: false, ..column(" verdict", 14, 9, level) },
    ]
}

fn dash() -> String {
    "–".to_owned()
}

fn name(row: &Row<'_>) -> Piece {
    let mark = if row.selected { "▸" } else { " " };
    let role = if row.isolate.gone { "gone" } else { row.isolate.role() };
    (format!("{mark}{} {role}", row.isolate.serial), if row.isolate.gone { DIM } else { PLAIN })
}

fn last(row: &Row<'_>) -> Piece {
    let sizes = row.isolate.last.as_ref().map(|(_, gc)| (gc.before_bytes, gc.after_bytes));
    let text = match sizes {
        Some((Some(before), Some(after))) => change(before, after),
        Some((None, Some(after))) => bytes(after),
        _ => dash(),
    };
    (text, PLAIN)
}

fn range(row: &Row<'_>) -> Piece {
    let stats = row.isolate.stats.as_ref();
    let text = stats.and_then(|stats| Some(change(stats.min?, stats.max?).replace('→', "…")));
    (text.unwrap_or_else(dash), PLAIN)
}

/// Above this share of its limit V8 collects ever more often.
const TIGHT: f64 = 0.8;

fn used(row: &Row<'_>) -> Piece {
    let share = row.isolate.share_of_limit();
    let style = if share.is_some_and(|share| share > TIGHT) { tone(Tone::Bad) } else { PLAIN };
    (share.map_or_else(dash, percent), style)
}

fn pauses(row: &Row<'_>) -> Piece {
    let ms = |us: u64| {
        if us < 9_950 { format!("{:.1}", us as f64 / 1e3) } else { format!("{:.0}", us as f64 / 1e3) }
    };
    let text = row.isolate.stats.as_ref().map(|stats| stats.gc_pause_us);
    (text.map_or_else(dash, |p| format!("{}/{}/{}ms", ms(p.p50), ms(p.p99), ms(p.max))), PLAIN)
}

fn share(row: &Row<'_>) -> Piece {
    (row.isolate.stats.as_ref().map_or_else(dash, |stats| percent(stats.gc_share)), PLAIN)
}

/// Less than this is no trend, in percent: bases of a process that does nothing differ by as much.
const LEVEL: f64 = 1.0;

fn trend(row: &Row<'_>) -> Piece {
    let Some(stats) = &row.isolate.stats else { return (dash(), PLAIN) };
    let arrow = match stats.usage_trend {
        trend if trend > LEVEL => "↗",
        trend if trend < -LEVEL => "↘",
        _ => "→",
    };
    (format!("{arrow} {:+.0} %", stats.usage_trend), PLAIN)
}

fn level(row: &Row<'_>) -> Piece {
    let said = row.target.heap_verdict(row.isolate.serial).map(|verdict| verdict.verdict);
    said.map_or_else(
        || (format!(" {}", dash()), PLAIN),
        |level| (format!(" {}", level.word()), tone(verdict::tone(level))),
    )
}

//! The heap of one isolate over time: up by allocation and down by collections as a faint line, the base after
//! mark-compacts as a bright one, the limit if it is near.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    symbols::Marker,
    text::{Line, Span},
    widgets::{Axis, Chart, Dataset, GraphType, Widget},
};

use super::style::{BASE, DIM, HEAP, LIMIT, PLAIN, STRONG, section};
use crate::report::{
    lines::clock,
    state::{isolate::Isolate, seconds_between, target::Target},
    time::Time,
};
use crate::units::{axis, bytes, percent, span};

/// The limit is drawn when it is at most this many times the largest size; farther away it would press everything else
/// to the floor, and stands in the title as a number.
const LIMIT_IN_SIGHT: f64 = 2.0;
/// The axis starts at 0 unless the smallest size is above this share of the largest.
const FLOOR: f64 = 0.6;

pub(super) fn render(isolate: &Isolate, now: Time, area: Rect, buffer: &mut Buffer) {
    let block = section(title(isolate)).title(legend(area.width).right_aligned());
    let inner = block.inner(area);
    block.render(area, buffer);
    let Some(start) = isolate.history.start() else { return };
    let lines = Lines::of(isolate, seconds_between(start, now));
    let ticks = lines.ticks(inner.height);
    Chart::new(lines.datasets())
        .legend_position(None)
        .x_axis(Axis::default().bounds([0.0, lines.seconds]).labels(times(start, lines.seconds)).style(DIM))
        .y_axis(Axis::default().bounds(ticks.bounds()).labels(ticks.labels()).style(DIM))
        .render(inner, buffer);
}

/// Before the first collection there is nothing to draw.
pub(super) fn render_waiting(target: &Target, now: Time, area: Rect, buffer: &mut Buffer) {
    let block = section(Line::styled(" heap ", STRONG));
    let inner = block.inner(area);
    block.render(area, buffer);
    let waited = span(seconds_between(target.first_seen, now));
    let lines = [
        Line::styled(format!("waiting for the first collection, {waited} so far"), PLAIN),
        Line::styled("V8 collects when it allocates: an idle process may take minutes", DIM),
    ];
    let top = inner.height.saturating_sub(2) / 2;
    for (line, row) in lines.into_iter().zip(inner.rows().skip(top.into())) {
        line.centered().render(row, buffer);
    }
}

fn title(isolate: &Isolate) -> Line<'static> {
    let heap = isolate.after().map_or_else(String::new, bytes);
    let limit = isolate.heap_limit.map_or_else(String::new, |limit| format!(" of {}", bytes(limit)));
    let share = isolate.share_of_limit().map_or_else(String::new, |share| format!(", {}", percent(share)));
    let name = format!(" heap of isolate {} ({}) ", isolate.serial, isolate.role());
    Line::from(vec![Span::styled(name, STRONG), Span::styled(format!("{heap}{limit}{share} "), PLAIN)])
}

fn legend(width: u16) -> Line<'static> {
    if width < 76 {
        return Line::default();
    }
    let item = |mark, style, text| [Span::styled(mark, style), Span::styled(text, DIM)];
    let items = [item(" ━━", BASE, " base "), item("╱╲", HEAP, " heap ")];
    Line::from(items.into_iter().flatten().collect::<Vec<_>>())
}

fn times(start: Time, seconds: f64) -> Vec<String> {
    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and no watch lasts for ages")]
    let at = |share: f64| clock(Time::from_unix_ms(start.unix_ms() + (seconds * share * 1e3) as i64));
    vec![at(0.0), at(0.5), at(1.0)]
}

/// What is drawn: seconds since the first collection, bytes.
struct Lines {
    seconds: f64,
    /// From collection to collection: up to the size before, down to the size after.
    heap: Vec<(f64, f64)>,
    base: Vec<(f64, f64)>,
    limit: Vec<(f64, f64)>,
    lowest: f64,
    highest: f64,
}

impl Lines {
    fn of(isolate: &Isolate, seconds: f64) -> Self {
        let seconds = seconds.max(1.0);
        let buckets = || isolate.history.buckets();
        let heap: Vec<_> = buckets()
            .flat_map(|(at, bucket)| [bucket.high, bucket.low].map(|size| (at, size as f64)))
            .collect();
        let base = buckets().filter_map(|(at, bucket)| Some((at, bucket.base? as f64))).collect();
        let sizes = || heap.iter().map(|(_, size)| *size);
        let (lowest, highest) = (sizes().fold(f64::MAX, f64::min), sizes().fold(1.0, f64::max));
        let limit =
            isolate.heap_limit.map(|limit| limit as f64).filter(|limit| *limit <= highest * LIMIT_IN_SIGHT);
        // Dashes.
        let limit =
            limit.into_iter().flat_map(|limit| (0..=60).map(move |n| (seconds * f64::from(n) / 60.0, limit)));
        Self { seconds, limit: limit.collect(), heap, base, lowest, highest }
    }

    fn datasets(&self) -> Vec<Dataset<'_>> {
        let set = |data, style: Style, kind| {
            Dataset::default().data(data).style(style).marker(Marker::Braille).graph_type(kind)
        };
        vec![
            set(&self.heap, HEAP, GraphType::Line),
            set(&self.limit, LIMIT, GraphType::Scatter),
            set(&self.base, BASE, GraphType::Line),
        ]
    }

    fn ticks(&self, height: u16) -> Ticks {
        let highest = self.limit.first().map_or(self.highest, |(_, limit)| limit * 1.02);
        let lowest = if self.lowest > highest * FLOOR { self.lowest } else { 0.0 };
        Ticks::of(lowest, highest, (height / 2).clamp(1, 6))
    }
}

/// Round numbers along the axis.
#[derive(Debug, PartialEq)]
struct Ticks {
    first: f64,
    step: f64,
    steps: u16,
}

impl Ticks {
    /// From `low` to `high` in at most `most` steps of 1, 2, 2.5 or 5 times a power of ten.
    fn of(low: f64, high: f64, most: u16) -> Self {
        let power = 10_f64.powf(((high - low).max(1.0) / f64::from(most)).log10().floor());
        let candidates =
            [1.0, 2.0, 2.5, 5.0, 10.0, 20.0].map(|factor| Self::with_step(low, high, power * factor));
        let [.., widest] = &candidates;
        let widest = Self { ..*widest };
        candidates.into_iter().find(|ticks| ticks.steps <= most).unwrap_or(widest)
    }

    fn with_step(low: f64, high: f64, step: f64) -> Self {
        let first = (low / step).floor() * step;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 60, see `of`")]
        let steps = ((high - first) / step).ceil().max(1.0) as u16;
        Self { first, step, steps }
    }

    fn values(&self) -> Vec<f64> {
        (0..=self.steps).map(|n| self.first + self.step * f64::from(n)).collect()
    }

    fn bounds(&self) -> [f64; 2] {
        [self.first, self.first + self.step * f64::from(self.steps)]
    }

    fn labels(&self) -> Vec<String> {
        axis(&self.values(), self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_everything() {
        for (low, high, most, expected) in [
            (0.0, 61e6, 4, "0 MB 20 MB 40 MB 60 MB 80 MB"),
            (0.0, 4.3e9, 3, "0 GB 2 GB 4 GB 6 GB"),
            (31.2e6, 31.3e6, 2, "31.20 MB 31.25 MB 31.30 MB"),
            (0.0, 1.0, 1, "0 B 1 B"),
        ] {
            let ticks = Ticks::of(low, high, most);
            assert_eq!(ticks.labels().join(" "), expected);
            assert!(ticks.bounds()[0] <= low && ticks.bounds()[1] >= high);
        }
    }
}

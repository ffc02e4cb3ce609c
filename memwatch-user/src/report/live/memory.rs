//! What the resident set is made of: one bar, a segment a part, and a legend below it.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::Widget,
};

use super::style::{DIM, PLAIN, STRONG, section};
use crate::report::{describe, record::Memory};
use crate::units::bytes;

/// Lines that it takes: the title, the bar, and the legend.
pub(super) const HEIGHT: u16 = 3;
/// Shares of the resident set below this get no segment: a part of the title names their sum.
const SMALLEST: f64 = 0.01;
/// Grounds of the parts, in their order. The legend has the same order and the sizes, so that nothing is said by colour alone.
const GROUNDS: [(&str, Color); 7] = [
    ("V8 heap", Color::Cyan),
    ("array buffers", Color::Blue),
    ("malloc", Color::Magenta),
    ("allocator slack", Color::DarkGray),
    ("files", Color::Gray),
    ("stacks", Color::Green),
    ("unexplained", Color::Yellow),
];

/// Whether there is anything to draw.
pub(super) fn has_parts(memory: &Memory) -> bool {
    memory.rss.is_some_and(|rss| rss > 0) && !describe::parts(memory).is_empty()
}

pub(super) fn render(memory: &Memory, area: Rect, buffer: &mut Buffer) {
    let block = section(title(memory));
    let inner = block.inner(area);
    block.render(area, buffer);
    bar(memory, inner.width).render(inner, buffer);
    let below = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    legend(memory, inner.width).render(below, buffer);
}

fn title(memory: &Memory) -> Line<'static> {
    let rss = memory.rss.map_or_else(String::new, bytes);
    let age = memory.parts_age_s.filter(|age| *age >= 2.0);
    let age = age.map_or_else(String::new, |age| format!("parts as of {age:.0} s ago "));
    Line::from(vec![
        Span::styled(" memory ", STRONG),
        Span::styled(format!("{rss} resident "), PLAIN),
        Span::styled(age, DIM),
    ])
}

/// Segments in proportion to the parts; rounding is carried on, so that they fill the width.
fn bar(memory: &Memory, width: u16) -> Line<'static> {
    let shown = shown(memory);
    let total: f64 = shown.iter().map(|(_, size)| *size as f64).sum();
    let mut line = Line::default();
    let (mut sum, mut from) = (0.0, 0);
    for (name, size) in shown {
        sum += size as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the width")]
        let to = (sum / total * f64::from(width)).round() as usize;
        line.spans.push(segment(name, size, to - from));
        from = to;
    }
    line
}

fn shown(memory: &Memory) -> Vec<(&'static str, u64)> {
    let least = SMALLEST * memory.rss.unwrap_or(0) as f64;
    let parts = describe::parts(memory).into_iter();
    parts.filter(|(_, size)| *size as f64 >= least && *size > 0).map(|(n, s)| (n, s.unsigned_abs())).collect()
}

/// The ground of a part with its size on it, if that fits: names stand in the legend.
fn segment(name: &'static str, size: u64, width: usize) -> Span<'static> {
    let style = Style::new().fg(Color::Black).bg(ground(name)).remove_modifier(Modifier::all());
    let label = format!(" {}", bytes(size));
    let label = if label.chars().count() <= width { label } else { String::new() };
    Span::styled(format!("{label:width$}"), style)
}

fn ground(name: &str) -> Color {
    GROUNDS.iter().find(|(part, _)| *part == name).map_or(Color::Reset, |(_, ground)| *ground)
}

/// `█ V8 heap 92.1 MB  █ files 58.2 MB`, in the order of the bar; names only, if that does not fit.
fn legend(memory: &Memory, width: u16) -> Line<'static> {
    let with_sizes = legend_of(memory, |name, size| format!(" {name} {}  ", bytes(size)));
    let fits = with_sizes.width() <= usize::from(width) + 2;
    if fits { with_sizes } else { legend_of(memory, |name, _| format!(" {name}  ")) }
}

fn legend_of(memory: &Memory, text: fn(&str, u64) -> String) -> Line<'static> {
    let item = |(name, size)| {
        [Span::styled("█", Style::new().fg(ground(name))), Span::styled(text(name, size), PLAIN)]
    };
    Line::from(shown(memory).into_iter().flat_map(item).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        Memory {
            rss: Some(100_000_000),
            v8_heap: Some(50_000_000),
            array_buffers: Some(400_000),
            mapped_files: Some(30_000_000),
            unexplained: Some(19_600_000),
            ..Memory::default()
        }
    }

    #[test]
    fn the_bar_is_as_wide_as_the_screen_and_in_proportion() {
        for width in [40, 79, 80, 81, 200] {
            let line = bar(&memory(), width);
            assert_eq!(line.width(), usize::from(width));
            let heap = line.spans[0].width() as f64 / f64::from(width);
            assert!((heap - 0.502).abs() < 0.02, "{width}: {heap}");
        }
        let text = bar(&memory(), 80).to_string();
        assert!(text.starts_with(" 50.0 MB") && text.contains(" 30.0 MB"), "{text}");
    }

    #[test]
    fn the_legend_names_every_part_of_the_bar() {
        let text = legend(&memory(), 80).to_string();
        assert_eq!(text.trim_end(), "█ V8 heap 50.0 MB  █ files 30.0 MB  █ unexplained 19.6 MB");
        assert_eq!(legend(&memory(), 40).to_string().trim_end(), "█ V8 heap  █ files  █ unexplained");
    }

    #[test]
    fn a_negative_rest_has_no_segment() {
        let line = bar(&Memory { unexplained: Some(-5_000_000), ..memory() }, 80);
        assert!(!line.to_string().contains("unexplained"), "{line}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert!(!has_parts(&Memory::default()) && has_parts(&memory()));
    }
}

//! Styles, and lines that fit.
//!
//! Only the terminal's own sixteen colours, so that a user's theme holds; and nothing is said by colour alone.

use ratatui::{
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders},
};

use crate::report::color::Tone;

pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);
pub(super) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const PLAIN: Style = Style::new();
/// The base line: what the eye should follow.
pub(super) const BASE: Style = Style::new().fg(Color::LightCyan).add_modifier(Modifier::BOLD);
/// The heap between collections.
pub(super) const HEAP: Style = Style::new().fg(Color::DarkGray);
/// The heap's limit.
pub(super) const LIMIT: Style = Style::new().fg(Color::LightRed);
/// Lines between sections.
pub(super) const RULE: Style = Style::new().fg(Color::DarkGray);

pub(super) const fn tone(tone: Tone) -> Style {
    match tone {
        Tone::Plain => PLAIN,
        Tone::Dim => DIM,
        Tone::Strong => STRONG,
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Warn => Style::new().fg(Color::Yellow),
        Tone::Bad => Style::new().fg(Color::LightRed).add_modifier(Modifier::BOLD),
    }
}

/// A rule across the screen with a title, above a section.
pub(super) fn section(title: Line<'_>) -> Block<'_> {
    Block::new()
        .borders(Borders::TOP)
        .border_style(RULE)
        .title_style(Style::new().fg(Color::Reset))
        .title(title)
}

/// A piece of a line.
pub(super) type Piece = (String, Style);

/// The pieces that are not empty, with ` · ` between them, as far as `width` goes; what does not fit ends in `…`.
pub(super) fn fit(pieces: impl IntoIterator<Item = Piece>, width: u16) -> Line<'static> {
    let mut line = Line::default();
    let mut left = usize::from(width);
    for (text, style) in pieces.into_iter().filter(|(text, _)| !text.is_empty()) {
        let gap = if line.spans.is_empty() { "" } else { " · " };
        // Less than a word of a piece says nothing.
        if left < gap.chars().count() + 4 {
            break;
        }
        left -= gap.chars().count();
        let piece = Span::styled(cut(text, left), style);
        left -= piece.width();
        line.spans.extend([Span::styled(gap, DIM), piece]);
    }
    line
}

/// `text` in at most `width` columns.
pub(super) fn cut(mut text: String, width: usize) -> String {
    if Span::raw(text.as_str()).width() <= width {
        return text;
    }
    while Span::raw(text.as_str()).width() + 1 > width && text.pop().is_some() {}
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_fit() {
        let pieces = || ["one", "", "twenty two", "three"].map(|text| (text.to_owned(), PLAIN));
        for (width, expected) in [
            (80, "one · twenty two · three"),
            (20, "one · twenty two"),
            (14, "one · twenty …"),
            (4, "one"),
            (3, ""),
        ] {
            assert_eq!(fit(pieces(), width).to_string(), expected, "{width}");
        }
        assert_eq!(cut("漢字漢字".into(), 5), "漢字…");
    }
}

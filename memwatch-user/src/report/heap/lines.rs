//! Lines that fit: tables with aligned figures, and sentences that are continued below themselves.

use super::record::{Source, Taken};
use crate::{
    report::{color::Tone, text::escape_to},
    units,
};

/// The longest name of the target's that a line shows.
const LONGEST: usize = 200;
/// A line that is continued has at least so many characters for it.
const NARROWEST: usize = 12;

/// What text is written on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Characters of a line; `None` where lines may be as long as they are.
    pub width: Option<usize>,
    /// Whether colours are used.
    pub color: bool,
}

impl Page {
    /// A heading, with an empty line before it.
    pub(super) fn heading(self, text: &str) -> [String; 2] {
        [String::new(), Tone::Strong.paint(text, self.color).to_string()]
    }

    /// `text` behind `figures`, continued below itself.
    pub(super) fn item(self, figures: &str, text: &str) -> Vec<String> {
        let text = escape_to(text, LONGEST);
        let indent = figures.chars().count();
        let Some(width) = self.width.map(|width| width.saturating_sub(indent).max(NARROWEST)) else {
            return vec![format!("{figures}{text}")];
        };
        let lines = wrapped(&text, width);
        let begin = |at: usize| if at == 0 { figures.to_owned() } else { " ".repeat(indent) };
        lines.iter().enumerate().map(|(at, line)| format!("{}{line}", begin(at))).collect()
    }

    /// A remark.
    pub(super) fn remark(self, text: &str) -> Vec<String> {
        let lines = self.item("", text);
        lines.iter().map(|line| Tone::Dim.paint(line, self.color).to_string()).collect()
    }
}

/// `text` in lines of at most `width` characters, broken at spaces; a word that is longer is broken anywhere.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut rest: Vec<char> = word.chars().collect();
        loop {
            let line = lines.last_mut().map(|line| (line.chars().count(), line));
            let Some((used, line)) = line else { break };
            let space = usize::from(used > 0);
            if used + space + rest.len() <= width {
                line.push_str(if space == 1 { " " } else { "" });
                line.extend(&rest);
                break;
            }
            if used == 0 {
                line.extend(rest.drain(..width.min(rest.len())));
            }
            lines.push(String::new());
        }
    }
    lines
}

/// `612 345`: digits in groups of three, as in the SI.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// `+10 000`, `-3`.
pub(super) fn signed(number: i64) -> String {
    let sign = if number < 0 { '-' } else { '+' };
    format!("{sign}{}", grouped(number.unsigned_abs()))
}

/// `+1.2 MB`, `-30.0 kB`.
pub(super) fn signed_bytes(number: i64) -> String {
    let sign = if number < 0 { '-' } else { '+' };
    format!("{sign}{}", units::bytes(number.unsigned_abs()))
}

/// ` 1.2 %`, with one decimal whatever it is: figures below each other.
pub(super) fn share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// The first lines of an answer: whose heap, and how it was read.
pub(super) fn about(source: &Source, page: Page) -> Vec<String> {
    let version =
        source.node_version.as_ref().map_or_else(String::new, |version| format!(" · Node {version}"));
    let isolates = match &source.isolate {
        super::record::Isolates::Many(all) => format!(" · {} isolates", all.len()),
        super::record::Isolates::One(_) => String::new(),
    };
    let mut lines = page.item("", &format!("{} · pid {}{version}{isolates}", source.title, source.pid));
    lines.extend(page.remark(&taken(source)));
    lines
}

fn taken(source: &Source) -> String {
    let pause = units::pause(source.pause_us);
    match source.taken {
        Taken::Stopped => format!("The heap was read while the process stood still, for {pause}."),
        Taken::Running => {
            "The heap was read while the process ran: what is young may be incomplete.".to_owned()
        }
    }
}

/// Rows with figures that are aligned to the right, and text behind them.
pub(super) fn table(
    page: Page,
    header: Option<(&[&str], &str)>,
    rows: &[(Vec<String>, String)],
) -> Vec<String> {
    let columns = rows.iter().map(|(figures, _)| figures.len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells =
            rows.iter().filter_map(|(figures, _)| figures.get(column).map(|cell| cell.chars().count()));
        let head = header.and_then(|(names, _)| names.get(column)).map_or(0, |name| name.chars().count());
        cells.max().unwrap_or(0).max(head)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let aligned = |cells: &[String]| -> String {
        cells.iter().zip(&widths).fold(String::new(), |line, (cell, width)| format!("{line}  {cell:>width$}"))
            + "  "
    };
    let mut lines = Vec::new();
    if let Some((names, text)) = header.filter(|_| !rows.is_empty()) {
        let cells: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let line = format!("{}{text}", aligned(&cells));
        lines.push(Tone::Dim.paint(line.trim_end(), page.color).to_string());
    }
    lines.extend(rows.iter().flat_map(|(cells, text)| page.item(&aligned(cells), text)));
    lines
}

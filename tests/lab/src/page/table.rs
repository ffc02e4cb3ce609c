//! Markdown tables, and figures in them.

use crate::{HOUR, MIB};

/// A table of `rows` under `head`; the first column is text, the others are figures.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let names: Vec<String> = head.iter().map(|&name| name.to_owned()).collect();
    let rule = format!("|---|{}\n", "---:|".repeat(head.len().saturating_sub(1)));
    rows.iter().fold(line(&names) + &rule, |text, row| text + &line(row))
}

/// Two decimals of a share.
pub(crate) fn share(x: f64) -> String {
    format!("{x:.2}")
}

/// A share with its interval.
pub(crate) fn interval(x: f64, [low, high]: [f64; 2]) -> String {
    format!("{x:.2} ({low:.2} to {high:.2})")
}

/// A time in the unit that suits it; a dash for none.
pub(crate) fn time(seconds: Option<f64>) -> String {
    match seconds {
        None => "–".to_owned(),
        Some(s) if s < 120.0 => format!("{s:.0} s"),
        Some(s) if s < 2.0 * HOUR => format!("{:.0} min", s / 60.0),
        Some(s) => format!("{:.1} h", s / HOUR),
    }
}

/// A time of some minutes in seconds; a dash for none.
pub(crate) fn seconds(seconds: Option<f64>) -> String {
    seconds.map_or("–".to_owned(), |s| format!("{s:.0} s"))
}

/// Bytes in MiB; a dash for none.
pub(crate) fn mib(bytes: Option<f64>) -> String {
    bytes.map_or("–".to_owned(), |bytes| format!("{:.1} MiB", bytes / MIB))
}

/// A whole number; a dash for none.
pub(crate) fn count(x: Option<f64>) -> String {
    x.map_or("–".to_owned(), |x| format!("{x:.0}"))
}

/// Percent; a dash for none.
pub(crate) fn percent(x: Option<f64>) -> String {
    x.map_or("–".to_owned(), |x| format!("{:.1} %", x * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_and_its_figures() {
        let rows = [vec![time(Some(90.0)), time(Some(9000.0))], vec![mib(None), percent(Some(0.125))]];
        let text = "| a | b |\n|---|---:|\n| 90 s | 2.5 h |\n| – | 12.5 % |\n";
        assert_eq!(table(&["a", "b"], &rows), text);
        assert_eq!(
            (interval(0.5, [0.25, 0.75]), time(Some(600.0))),
            ("0.50 (0.25 to 0.75)".to_owned(), "10 min".to_owned())
        );
    }
}
